"""How long the device waits for the cloud, once it has learned that its table is wrong about the head."""

from __future__ import annotations

import pytest

CUT = 10
WAIT_MS = 15.0
FASTER, SLOWER = 1 / 0.85, 1 / 1.5
"""The table's time of the head over the true one: the head is 15 % faster, or takes half as long again."""


@pytest.fixture
def taught(serving, digits, inputs, table_for, row, reply_of):
    """Makes a device that served 60 requests by a table that is wrong by this factor, whose split row is by far the
    cheapest; gives the deadline at which the device can wait so long and still finish by itself."""

    def teach(factor: float):
        serving.cloud.transfer_ms = WAIT_MS - serving.cloud.cloud_ms
        pinned = {"configuration": row(CUT, digits).configuration.to_json()}
        said = reply_of(serving.infer(inputs, pinned, token="operator-token")).parameters
        head_ms = said["cost"]["head_ms"]
        split = row(CUT, digits, head_ms=head_ms * factor)
        home = row(digits.manifest.operator_count, digits, head_ms=120.0, head_mj=10_000.0)
        serving.push(table_for(digits, version=2, rows=(split, home)))
        for _ in range(60):
            serving.infer(inputs)
        tail_ms = serving.networks.get("digits").plan.tail_ms[CUT]
        return lambda wait_ms: head_ms + wait_ms + 1.2 * tail_ms + 2.0

    return teach


@pytest.mark.exhaustive
@pytest.mark.parametrize("factor", [FASTER, SLOWER])
def test_a_healthy_cloud_is_not_given_up_for_what_was_learned_of_the_head(taught, serving, inputs, reply_of, factor):
    deadline_ms = taught(factor)(0.8 * WAIT_MS)
    replies = [reply_of(serving.infer(inputs, {"deadline_ms": deadline_ms})).parameters for _ in range(150)]
    assert {said["configuration"]["cut"] for said in replies} == {CUT}
    assert not [said["fallback"] for said in replies if said["fallback"]]
    assert all(said["deadline_met"] for said in replies)


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("factor", [FASTER, SLOWER])
def test_a_silent_cloud_is_given_up_when_the_device_can_still_finish(taught, serving, inputs, reply_of, factor):
    wait_ms = 1.6 * WAIT_MS
    deadline_ms = taught(factor)(wait_ms)
    serving.cloud.transfer_ms = 20_000.0
    said = reply_of(serving.infer(inputs, {"deadline_ms": deadline_ms})).parameters
    assert said["fallback"] == f"the cloud did not answer within {wait_ms:.0f} ms"
