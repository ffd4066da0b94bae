"""The agent explains what it would do, by what it knows now."""

from __future__ import annotations

import json

import pytest

OPERATOR = "operator-token"


def explained(device, token=OPERATOR, **parameters):
    body = json.dumps({"parameters": parameters}).encode()
    return device.post("/v2/models/digits/explain", body, token=token)


def test_it_names_the_row_that_the_next_request_gets_and_why_the_others_lost(serving, inputs, digits, reply_of):
    content = explained(serving, deadline_ms=30).get_json()
    served = reply_of(serving.infer(inputs, {"deadline_ms": 30})).parameters
    best = content["candidates"][0]
    assert best["configuration"] == served["configuration"]
    assert best["latency_ms"] == served["predicted_ms"]
    assert (best["why"], content["chosen"]) == ("chosen", best["row"])
    assert len(content["candidates"]) == len(digits.manifest.cuts)
    assert content["candidates"][-1]["text"].startswith("late by")


def test_it_goes_by_what_the_device_has_learned(serving, inputs):
    for _ in range(3):
        serving.infer(inputs)
    assert explained(serving).get_json()["learned_from"] == 3


def test_a_cloud_that_is_away_is_a_reason(serving):
    serving.cloud.away_for.add("digits")
    whys = [each["why"] for each in explained(serving).get_json()["candidates"]]
    assert whys == ["chosen", "cloud_away", "cloud_away", "cloud_away"]


def test_where_no_row_would_do_it_says_so(serving):
    content = explained(serving, min_accuracy=1.0).get_json()
    assert content["chosen"] is None
    assert "accuracy 1" in content["refused"]


def test_it_takes_the_operator(serving):
    assert explained(serving, token="").status_code == 403


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"deadline_ms": -1}, "deadline_ms"),
        ({"strategy": "best"}, "strategy"),
        ({"profile": True}, "parameter 'profile'"),
        ({"account": "edge_active"}, "edge_active"),
    ],
)
def test_a_bad_question_is_refused(serving, parameters, reason):
    response = explained(serving, **parameters)
    assert response.status_code == 400
    assert reason in response.get_json()["error"]


def test_without_a_table_there_is_nothing_to_explain(device, digits):
    device.networks.load(digits)
    assert explained(device).status_code == 503
