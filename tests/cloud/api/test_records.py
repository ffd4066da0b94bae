"""Reading records over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cloud.store.records.port import Arrival
from cloud.watching.logs import REQUEST
from protocol.errors import ServiceMissing
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


def pages(backend, query: str = "") -> list[list[int]]:
    """The sequences on each page, following `next`."""
    found, cursor = [], ""
    while cursor is not None:
        answer = backend.call("GET", f"/api/v1/inferences?format=json&limit=2&cursor={cursor}{query}")
        assert answer.status_code == 200, answer.get_json()
        content = answer.get_json()
        found.append([item["sequence"] for item in content["items"]])
        assert (content["next"] is not None) == ("Link" in answer.headers)
        cursor = content["next"]
    return found


def test_pages_hold_each_record_once(filled):
    assert pages(filled) == [[2, 1], [0]]
    assert pages(filled, "&run=a") == [[2, 0]]
    assert pages(filled, "&run=nobody") == [[]]


def test_the_link_header_leads_to_the_next_page_with_the_same_filters(filled):
    first = filled.call("GET", "/api/v1/inferences?format=json&limit=1&run=a")

    following = filled.call("GET", first.headers["Link"].partition(">")[0].removeprefix("<"))

    assert [item["sequence"] for item in following.get_json()["items"]] == [0]


def test_new_records_do_not_move_a_page(filled, inference):
    first = filled.call("GET", "/api/v1/inferences?format=json&limit=2").get_json()
    filled.store.write([Arrival("pi-1", "boot", 7, 50.0, inference.to_json(), inference)])

    rest = filled.call("GET", f"/api/v1/inferences?format=json&cursor={first['next']}").get_json()

    assert [item["sequence"] for item in rest["items"]] == [0]


@pytest.mark.parametrize("cursor", ["x", "é", "e30", "bnVsbA", "eyJhZnRlciI6WzEsMiwzLDRdfQ", "=" * 9])
def test_a_cursor_that_was_not_given_here_is_400(filled, cursor):
    answer = filled.call("GET", f"/api/v1/inferences?cursor={cursor}")

    assert answer.status_code == 400
    assert "cursor" in answer.get_json()["error"]


def test_a_cursor_of_other_filters_is_400(filled):
    first = filled.call("GET", "/api/v1/inferences?format=json&limit=1").get_json()

    for path in (f"inferences?run=a&cursor={first['next']}", f"measurements?cursor={first['next']}"):
        assert filled.call("GET", f"/api/v1/{path}").status_code == 400


def test_measurements_on_a_page_tell_their_identity(filled):
    content = filled.call("GET", "/api/v1/measurements", headers={"Accept": "application/json"}).get_json()

    assert [(item["sequence"], item["measurement"]["network"]) for item in content["items"]] == [
        (10, "digits"),
        (11, "faces"),
    ]
    assert content["next"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("strategy=dynasplit", 3),
        ("strategy=x", 0),
        ("violation=false", 3),
        ("violation=true", 0),
        ("cut=3", 3),
        ("cut=4", 0),
        (f"bundle={'b' * 64}", 3),
        ("since=1700000000", 3),
        ("until=1700000000", 0),
        ("received_since=1&received_until=2", 1),
    ],
)
def test_inferences_are_filtered(filled, query, count):
    assert len(lines(filled.call("GET", f"/api/v1/inferences?{query}"))) == count


@pytest.mark.parametrize(
    "query", ["netwrok=digits", "run=a&run=b", "violation=perhaps", "cut=-1", "format=xml", "%00=1"]
)
def test_a_query_that_means_nothing_is_400(filled, query):
    answer = filled.call("GET", f"/api/v1/inferences?{query}")

    assert answer.status_code == 400
    assert "query" in answer.get_json()["error"]


def test_a_format_that_nobody_has_is_406(filled):
    answer = filled.call("GET", "/api/v1/inferences", headers={"Accept": "application/xml"})

    assert answer.status_code == 406
    assert "text/csv" in answer.get_json()["error"]


def test_a_browser_gets_json_lines(filled):
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

    assert len(lines(filled.call("GET", "/api/v1/inferences", headers={"Accept": accept}))) == 3


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_that_breaks_off_says_so_in_the_log_with_the_requests_id(filled, monkeypatch, caplog, form):
    real = filled.store.inferences

    def breaking(selection, *, limit=None):
        yield next(real(selection, limit=limit))
        raise ServiceMissing("database x cannot be used: gone")

    monkeypatch.setattr(filled.store, "inferences", breaking)
    ids = []
    caplog.handler.addFilter(lambda record: bool(ids.append((record.levelname, REQUEST.get())) or True))
    with pytest.raises(ServiceMissing):
        _ = filled.call("GET", f"/api/v1/inferences?format={form}", headers={"X-Request-Id": "export-7"}).data

    assert ("ERROR", "export-7") in ids
    assert "/api/v1/inferences: the answer broke off" in caplog.text
