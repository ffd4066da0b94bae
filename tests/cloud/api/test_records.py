"""Reading records over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cloud.store.records.port import Arrival
from protocol.measurement import Measurement
from protocol.messages import Inference


def lines(response) -> list[dict]:
    assert response.status_code == 200
    return [json.loads(line) for line in response.data.splitlines()]


@pytest.fixture
def filled(backend, inference, measurement):
    """A backend with three inferences in two runs and two measurements."""
    arrivals = []
    for sequence, run in enumerate(["a", "b", "a"]):
        content = replace(inference, run=run)
        arrivals.append(Arrival("pi-1", "boot", sequence, float(sequence), content.to_json(), content))
    for sequence, network in ((10, "digits"), (11, "faces")):
        content = replace(measurement, network=network)
        arrivals.append(Arrival("pi-1", "boot", sequence, float(sequence), content.to_json(), content))
    backend.store.write(arrivals)
    return backend


def test_measurements_are_json_lines_that_read_back(filled, measurement):
    found = lines(filled.call("GET", "/api/v1/measurements"))

    assert [Measurement.from_json(line) for line in found] == [measurement, replace(measurement, network="faces")]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("network=faces", 1),
        ("run=profile", 2),
        ("device=pi-2", 0),
        (f"bundle={'b' * 64}", 2),
        ("run=", 2),
        ("received_since=11", 1),
    ],
)
def test_measurements_are_filtered(filled, query, count):
    assert len(lines(filled.call("GET", f"/api/v1/measurements?{query}"))) == count


def test_inferences_carry_their_identity_latest_first(filled):
    found = lines(filled.call("GET", "/api/v1/inferences?run=a"))

    assert [(line["device"], line["boot"], line["sequence"], line["received_at"]) for line in found] == [
        ("pi-1", "boot", 2, 2.0),
        ("pi-1", "boot", 0, 0.0),
    ]
    assert Inference.from_json(found[0]["inference"]).run == "a"


def test_inferences_are_limited(filled):
    assert [line["sequence"] for line in lines(filled.call("GET", "/api/v1/inferences?limit=1"))] == [2]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "٣", "9" * 30])
def test_a_limit_that_is_no_count_is_400(filled, limit):
    assert filled.call("GET", f"/api/v1/inferences?limit={limit}").status_code == 400


def test_inferences_that_came_in_before_a_time_are_left_out(filled):
    found = lines(filled.call("GET", "/api/v1/inferences?received_since=0.5"))

    assert [line["sequence"] for line in found] == [2, 1]


@pytest.mark.parametrize("moment", ["x", "nan", "inf", "1e999", "7d"])
def test_a_time_that_is_no_number_is_400(filled, moment):
    response = filled.call("GET", f"/api/v1/inferences?received_since={moment}")

    assert response.status_code == 400
    assert "received_since" in response.get_json()["error"]


def test_inferences_are_counted_by_run(filled):
    def count(query: str) -> int:
        return filled.call("GET", f"/api/v1/inferences/count{query}").get_json()["count"]

    assert (count(""), count("?run=a"), count("?run=nobody")) == (3, 2, 0)


@pytest.mark.parametrize("path", ["measurements", "inferences", "inferences/count"])
def test_a_query_for_text_that_no_store_can_hold_is_400(filled, path):
    response = filled.call("GET", f"/api/v1/{path}?run=a%00b")

    assert response.status_code == 400
    assert "'run'" in response.get_json()["error"]


def test_half_a_surrogate_pair_does_not_end_the_list(backend, inference):
    content = replace(inference, fallback="\ud800")
    backend.store.write([Arrival("pi-1", "boot", 1, 1.0, content.to_json(), content)])

    (line,) = lines(backend.call("GET", "/api/v1/inferences"))

    assert line["inference"]["fallback"] == "\ud800"


def test_no_records_are_an_empty_body(backend):
    response = backend.call("GET", "/api/v1/inferences")

    assert (response.status_code, response.data) == (200, b"")
