"""Tables computed here, over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.store.records.port import Arrival
from cloud.tables.computing import Computing

PATH = "/api/v1/tables/compute"


@pytest.fixture
def measured(stocked, digits, measurement):
    """A backend that has a bundle, and one measurement with it: too few for a table."""
    mine = replace(measurement, bundle=digits.digest)
    stocked.store.write([Arrival("pi-1", "boot", 1, 1.0, mine.to_json(), mine)])
    return stocked


def test_an_order_is_taken_and_told_how_far_it_is(measured, digits):
    response = measured.call("POST", PATH, json={"network": "digits", "device": "pi-1"})

    asked = response.get_json()
    assert (response.status_code, asked["state"], asked["order"]["bundle"]) == (202, "QUEUED", digits.digest)
    assert asked["order"]["devices"] == ["pi-1"]
    Computing(measured.store).look()
    ended = measured.call("GET", f"{PATH}/{asked['id']}").get_json()
    assert (ended["state"], ended["drafts"]) == ("FAILED", {})
    assert "no edge-only run was measured" in ended["reason"]


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"network": "faces", "device": "pi-1"}, 404),
        ({"network": "digits", "device": "pi-9"}, 404),
        ({"network": "digits", "device": "pi-1", "bundle": "f" * 64}, 404),
        ({"network": "digits", "device": "no/name"}, 400),
        ({"network": "digits", "device": "pi-1", "devices": ["+"]}, 400),
        ({"network": "digits", "device": "pi-1", "run": "\0"}, 400),
        ({"network": "digits", "device": "pi-1", "partial": "yes"}, 400),
        ({"network": "digits"}, 400),
        ([], 400),
    ],
)
def test_what_cannot_be_is_told_in_one_line(measured, order, status):
    response = measured.call("POST", PATH, json=order)

    assert response.status_code == status
    assert "\n" not in response.get_json()["error"]


def test_an_unknown_computation_is_404(backend):
    assert backend.call("GET", f"{PATH}/nothing").status_code == 404
