"""What the agent learns from its traffic, seen in what it chooses."""

from __future__ import annotations

import pytest

OPERATOR = "operator-token"
FASTEST = {"strategy": "fastest"}


def chosen_cut(serving, inputs, reply_of) -> int:
    return reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters["configuration"]["cut"]


def test_a_link_that_became_slow_keeps_requests_on_the_device_until_it_is_forgotten(serving, digits, inputs, reply_of):
    assert chosen_cut(serving, inputs, reply_of) == 0
    serving.cloud.transfer_ms = 500.0
    cuts = [chosen_cut(serving, inputs, reply_of) for _ in range(20)]
    assert cuts[-1] == digits.manifest.operator_count
    serving.cloud.transfer_ms = 5.0
    serving.clock.sleep(61.0)
    assert chosen_cut(serving, inputs, reply_of) == 0


def test_predictions_follow_the_link(serving, inputs, reply_of):
    serving.cloud.transfer_ms = 20.0
    for _ in range(10):
        said = reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters
    assert said["predicted_ms"] == pytest.approx(said["latency_ms"], rel=0.1)


def test_a_cloud_that_fails_teaches_nothing_about_the_link(serving, inputs, reply_of):
    for _ in range(60):
        serving.infer(inputs, FASTEST, token=OPERATOR)
    before = reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters["predicted_ms"]
    serving.cloud.transfer_ms = 20_000.0
    assert reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters["fallback"]
    serving.cloud.transfer_ms = 5.0
    after = reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters["predicted_ms"]
    assert after == pytest.approx(before, rel=0.02)


def test_tight_deadlines_are_met_by_the_margin_that_slow_answers_teach(serving, inputs, reply_of):
    serving.cloud.cloud_ms = 12.0
    for _ in range(60):
        serving.infer(inputs, FASTEST, token=OPERATOR)
    response = serving.infer(inputs, {"deadline_ms": 12, "late": "reject"})
    assert response.status_code == 503
