"""The fleet as a whole, one device of it, and labels."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from cloud.store.records.port import Arrival
from protocol.configuration import Provenance
from protocol.messages import TableReport, TableState
from protocol.presence import Availability
from protocol.samples import Sample

LABELS = "/api/v1/devices/pi-1/labels"


@pytest.fixture
def busy(stocked, digits, make_signed, inference):
    """A device that served two requests a while ago, one too late, rolled its table back, is hot, and is gone."""
    stocked.device("pi-1")
    stocked.device("pi-2")
    signed, now = make_signed(bundle=digits.digest), time.time()
    stocked.store.set_desired(signed)
    report = TableReport("digits", signed.table.digest, 1, TableState.ROLLED_BACK, "too slow")
    stocked.store.note_report("pi-1", report, at=now - 100)
    hot = Sample(now, True, 30.0, 3.1, 5.2, 93_000.0, Provenance.MEASURED, 600_000, 85.0, True)
    contents = [(1, 100, inference), (2, 7200, replace(inference, violation=True)), (3, 60, hot)]
    stocked.store.write(
        [Arrival("pi-1", "boot", number, now - age, body.to_json(), body) for number, age, body in contents]
    )
    stocked.store.note_availability("pi-2", Availability.ONLINE, at=now)
    return stocked


def test_the_fleet_tells_who_is_there_and_what_is_wrong(busy):
    fleet = busy.call("GET", "/api/v1/fleet").get_json()

    assert fleet["devices"] == {"registered": 2, "online": 1, "offline": 1, "stopped": 0, "unregistered": 0}
    assert [(alarm["device"], alarm["kind"], alarm["reason"]) for alarm in fleet["alarms"]] == [
        ("pi-1", "offline", ""),
        ("pi-1", "throttled", ""),
        ("pi-1", "rolled_back", "too slow"),
    ]
    assert fleet["dead_letters"] == 0


def test_the_fleet_tells_what_was_served_and_from_where_its_figures_are(busy, inference):
    fleet = busy.call("GET", "/api/v1/fleet").get_json()

    assert (fleet["last_hour"]["requests"], fleet["last_hour"]["violations"]) == (1, 0)
    assert (fleet["last_day"]["requests"], fleet["last_day"]["violations"]) == (2, 1)
    assert sum(fleet["last_day"]["edge_mj"].values()) == pytest.approx(2 * inference.cost.edge_mj)


def test_the_fleet_tells_how_far_tables_are(busy):
    (network,) = busy.call("GET", "/api/v1/fleet").get_json()["networks"]

    assert network == {
        "network": "digits",
        "versions": 1,
        "desired": 1,
        "applied": 0,
        "rejected": 0,
        "rolled_back": 1,
        "unanswered": 0,
    }


def test_a_fleet_of_nobody_is_no_error(backend):
    fleet = backend.call("GET", "/api/v1/fleet").get_json()

    assert (fleet["networks"], fleet["alarms"], fleet["last_day"]["requests"]) == ([], [], 0)


def test_one_device_tells_its_state(busy):
    state = busy.call("GET", "/api/v1/devices/pi-1").get_json()

    (network,) = state["networks"]
    assert (state["device"]["id"], state["device"]["availability"], state["jobs"]) == ("pi-1", "offline", 0)
    assert (network["network"], network["desired"]["version"], network["reported"]["state"]) == (
        "digits",
        1,
        "rolled_back",
    )
    assert (state["last_day"]["requests"], state["last_day"]["violations"]) == (2, 1)


def test_a_device_sees_itself_and_nobody_else(backend):
    token = backend.device("pi-1")
    backend.device("pi-2")

    assert backend.call("GET", "/api/v1/devices/pi-1", token=token).status_code == 200
    assert backend.call("GET", "/api/v1/devices/pi-2", token=token).status_code == 403
    assert backend.call("GET", "/api/v1/devices/pi-9").status_code == 404


def test_devices_are_gathered_by_their_labels(backend):
    for name in ("pi-1", "pi-2", "pi-3"):
        backend.device(name)
    backend.call("PUT", LABELS, json={"site": "north", "kind": "camera"})
    backend.call("PUT", "/api/v1/devices/pi-2/labels", json={"site": "north"})

    def names(query: str) -> list[str]:
        return [item["id"] for item in backend.call("GET", f"/api/v1/devices?{query}").get_json()]

    assert names("label=site=north") == ["pi-1", "pi-2"]
    assert names("label=site=north&label=kind=camera") == ["pi-1"]
    assert names("label=site=south") == []
    assert names("availability=online") == []
    assert names("registered=true") == ["pi-1", "pi-2", "pi-3"]


def test_a_device_is_registered_with_labels(backend):
    backend.call("POST", "/api/v1/devices", json={"id": "pi-1", "labels": {"site": "north"}})

    assert backend.call("GET", "/api/v1/devices/pi-1").get_json()["device"]["labels"] == {"site": "north"}


@pytest.mark.parametrize("labels", [{"site": 1}, {"a b": "c"}, {"site": ""}, ["site"], {"site": None}])
def test_labels_that_cannot_be_are_400_and_change_nothing(backend, labels):
    backend.device("pi-1")
    backend.call("PUT", LABELS, json={"site": "north"})

    assert backend.call("PUT", LABELS, json=labels).status_code == 400
    assert backend.call("POST", "/api/v1/devices", json={"id": "pi-2", "labels": labels}).status_code == 400
    assert [item["labels"] for item in backend.call("GET", "/api/v1/devices").get_json()] == [{"site": "north"}]


def test_labels_of_nobody_are_404(backend):
    assert backend.call("PUT", LABELS, json={"site": "north"}).status_code == 404
