"""The log tells when a device begins to refuse, and when it serves again; it does not grow with what is refused."""

from __future__ import annotations

import logging

import pytest

from edge.api.complaints import Complaints
from edge.device.throttle_guard import Throttled
from edge.runners.port import RunnerLost
from protocol.errors import DeadlineHopeless, InvalidInput, Overloaded, ServiceMissing


@pytest.fixture(autouse=True)
def _log_from_info_on(caplog):
    caplog.set_level(logging.INFO)


def said(caplog) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_requests_that_are_refused_one_after_the_other_are_one_line(device, digits, inputs, table_for, caplog):
    device.networks.load(digits)
    caplog.clear()
    for _ in range(5):
        assert device.infer(inputs).status_code == 503
    ((level, line),) = said(caplog)
    assert level == "WARNING" and "requests to digits are refused: ServiceMissing" in line and "push" in line

    assert device.push(table_for(digits)).reason == ""
    caplog.clear()
    for _ in range(2):
        assert device.infer(inputs).status_code == 200
    assert said(caplog) == [("INFO", "requests to digits are answered again")]


def test_hopeless_deadlines_are_no_lines(serving, inputs, caplog):
    caplog.clear()
    for _ in range(5):
        assert serving.infer(inputs, {"deadline_ms": 0.001, "late": "reject"}).status_code == 503
    assert said(caplog) == []


def test_a_device_that_is_not_ready_is_not_told_of_with_each_look(device, digits, caplog):
    device.networks.load(digits)
    caplog.clear()
    assert device.client.get("/v2/models/digits/ready").status_code == 503
    assert said(caplog) == []


def test_each_kind_of_reason_and_each_network_is_told_of(caplog):
    complaints = Complaints()
    for error in (ServiceMissing("no table"), RunnerLost("it died"), RunnerLost("it died again")):
        complaints.refused("digits", error)
    complaints.refused("other", RunnerLost("it died"))
    assert [line.partition(" are ")[0] for _, line in said(caplog)] == ["requests to digits"] * 2 + [
        "requests to other"
    ]


@pytest.mark.parametrize("error", [InvalidInput("no"), Overloaded("full"), DeadlineHopeless("late"), Throttled("hot")])
def test_what_is_one_request_s_own_matter_is_no_news(error, caplog):
    complaints = Complaints()
    complaints.refused("digits", error)
    complaints.answered("digits")
    assert said(caplog) == []
