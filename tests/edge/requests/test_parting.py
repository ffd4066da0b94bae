"""A request is over when its answer can leave: keeping its record is part of what its caller waits for."""

from __future__ import annotations

import pytest

FLUSH_S = 0.15


@pytest.fixture
def slow_card(serving, monkeypatch):
    """A device whose card takes a while to keep a record, which it has learned."""
    append = serving.outbox.append

    def flushed(kind, body):
        serving.clock.sleep(FLUSH_S)
        return append(kind, body)

    monkeypatch.setattr(serving.outbox, "append", flushed)
    return serving


def asked(device, inputs, reply_of, **parameters) -> tuple[dict, float]:
    """What the reply says, and for how many ms its caller waited."""
    began_s = device.clock()
    said = reply_of(device.infer(inputs, parameters)).parameters
    return said, (device.clock() - began_s) * 1e3


def test_the_latency_is_what_the_caller_waits_for(slow_card, inputs, reply_of):
    asked(slow_card, inputs, reply_of)
    said, waited_ms = asked(slow_card, inputs, reply_of)
    assert said["latency_ms"] == pytest.approx(waited_ms)
    assert slow_card.records()[-1]["cost"]["latency_ms"] == pytest.approx(waited_ms)


def test_an_answer_that_leaves_too_late_is_a_violation(slow_card, inputs, reply_of):
    _, waited_ms = asked(slow_card, inputs, reply_of)
    quickest_ms = waited_ms - FLUSH_S * 1e3
    said, _ = asked(slow_card, inputs, reply_of, deadline_ms=quickest_ms + FLUSH_S * 0.5e3)
    assert said["deadline_met"] is False
    assert slow_card.records()[-1]["violation"] is True


def test_a_decision_leaves_time_for_the_record(slow_card, inputs, reply_of):
    _, waited_ms = asked(slow_card, inputs, reply_of)
    too_little, enough = (
        slow_card.infer(inputs, {"deadline_ms": deadline_ms, "late": "reject"})
        for deadline_ms in (waited_ms - FLUSH_S * 0.3e3, waited_ms + FLUSH_S * 1e3)
    )
    assert (too_little.status_code, enough.status_code) == (503, 200)
