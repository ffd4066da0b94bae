"""While a request waits for the cloud, the next one's head runs; nothing that is learned or billed suffers from it."""

from __future__ import annotations

import threading

import pytest

from edge.offload.cloud import CloudFailed
from protocol.configuration import Account

OPERATOR = "operator-token"


class Meeting:
    """Round trips that end only when so many are on their way together."""

    def __init__(self, device, monkeypatch, *, parties: int) -> None:
        self._barrier = threading.Barrier(parties, timeout=20)
        self._tail = device.cloud.tail
        monkeypatch.setattr(device.cloud, "tail", self.tail)

    def tail(self, *arguments, **more):
        self._barrier.wait()
        return self._tail(*arguments, **more)


@pytest.fixture
def device(make_device, digits, table_for, row):
    made = make_device(max_in_flight=2)
    made.source.add(digits)
    made.push(table_for(digits, rows=(row(4, digits), row(digits.manifest.operator_count, digits, head_mj=1e6))))
    return made


def both(device, inputs, parameters=None) -> list:
    replies: list = []
    threads = [threading.Thread(target=lambda: replies.append(device.infer(inputs, parameters))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return replies


def test_two_requests_wait_for_the_cloud_together(device, inputs, reply_of, monkeypatch, answer):
    Meeting(device, monkeypatch, parties=2)
    replies = [reply_of(reply) for reply in both(device, inputs)]
    assert [reply.parameters["configuration"]["cut"] for reply in replies] == [4, 4]
    assert all((reply.tensors[0].array == answer).all() for reply in replies)


def test_together_they_are_billed_no_more_than_the_meter_counted(device, inputs, reply_of, monkeypatch):
    Meeting(device, monkeypatch, parties=2)
    before_j = device.board.meter.read().joules
    costs = [reply_of(reply).parameters["cost"] for reply in both(device, inputs)]
    counted_mj = (device.board.meter.read().joules - before_j) * 1e3
    assert sum(cost["head_mj"] + cost["wait_mj"] for cost in costs) <= counted_mj * (1 + 1e-9)


def test_a_share_of_the_energy_teaches_nothing_about_a_row(device, inputs, reply_of, monkeypatch):
    def expected_mj() -> float:
        network = device.networks.get("digits")
        candidates = device.agent._candidates(network, network.plan, device.clock())
        return float(candidates.expected(Account.EDGE).energy_mj[0])

    before = expected_mj()
    Meeting(device, monkeypatch, parties=2)
    for reply in both(device, inputs):
        reply_of(reply)
    assert expected_mj() == pytest.approx(before, rel=0.05)


def test_when_the_cloud_fails_both_are_finished_here_one_after_the_other(device, inputs, reply_of, monkeypatch, answer):
    Meeting(device, monkeypatch, parties=2)
    device.cloud.failure = CloudFailed("away")
    replies = [reply_of(reply) for reply in both(device, inputs)]
    assert {reply.parameters["fallback"] for reply in replies} == {"away"}
    assert all((reply.tensors[0].array == answer).all() for reply in replies)
    assert device.turns.under_way == device.turns.waiting == 0


def test_a_measurement_is_never_taken_beside_another_request(device, inputs, row, digits, monkeypatch):
    together = []
    tail = device.cloud.tail

    def watched(*arguments, **more):
        together.append(device.turns.under_way)
        return tail(*arguments, **more)

    monkeypatch.setattr(device.cloud, "tail", watched)
    pinned = {"configuration": row(4, digits).configuration.to_json(), "profile": True}
    threads = [threading.Thread(target=lambda: device.infer(inputs, pinned, token=OPERATOR)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert together == [1] * len(together) and together


def test_a_hopeless_request_is_refused_before_its_turn(device, inputs):
    with device.turns.turn():
        response = device.infer(inputs, {"deadline_ms": 0.001, "late": "reject"})
    assert response.status_code == 503
    assert "deadline" in response.get_json()["error"]
    assert [record["violation"] for record in device.records()] == [True]
