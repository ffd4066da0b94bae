"""Registering devices."""

from __future__ import annotations

import pytest

from protocol import topics
from protocol.jobs import JobList
from protocol.presence import Availability


def test_a_device_gets_a_token_that_works(backend):
    response = backend.call("POST", "/api/v1/devices", json={"id": "pi-1"})

    content = response.get_json()
    assert response.status_code == 201
    assert content["id"] == "pi-1"
    assert backend.call("GET", "/api/v1/bundles", token=content["token"]).status_code == 200


def test_tokens_are_not_stored(backend):
    token = backend.device("pi-1")

    assert token not in repr(vars(backend.store))


def test_a_second_registration_is_409(backend):
    backend.device("pi-1")

    response = backend.call("POST", "/api/v1/devices", json={"id": "pi-1"})

    assert response.status_code == 409
    assert "DELETE /api/v1/devices/pi-1" in response.get_json()["error"]


@pytest.mark.parametrize("body", [{}, {"id": 7}, {"id": ""}, {"id": "a/b"}, {"id": "a" * 65}, {"id": "+"}])
def test_a_name_that_fits_no_topic_is_400(backend, body):
    assert backend.call("POST", "/api/v1/devices", json=body).status_code == 400


def test_a_removed_device_is_known_no_more_and_may_register_anew(backend):
    old = backend.device("pi-1")
    backend.call("GET", "/api/v1/bundles", token=old)

    assert backend.call("DELETE", "/api/v1/devices/pi-1").status_code == 204

    assert backend.call("GET", "/api/v1/bundles", token=old).status_code == 401
    assert backend.call("DELETE", "/api/v1/devices/pi-1").status_code == 404
    assert backend.call("GET", "/api/v1/bundles", token=backend.device("pi-1")).status_code == 200


def test_what_a_removed_device_was_to_do_the_next_of_its_name_does_not(backend):
    backend.device("pi-1")
    order = {"kind": "restart", "parameters": {}, "timeout_s": 60.0}
    job = backend.call("POST", "/api/v1/devices/pi-1/jobs", json=order).get_json()

    assert backend.call("DELETE", "/api/v1/devices/pi-1").status_code == 204
    backend.device("pi-1")

    assert backend.call("GET", "/api/v1/devices/pi-1").get_json()["jobs"] == 0
    told = backend.call("GET", f"/api/v1/devices/pi-1/jobs/{job['id']}").get_json()
    assert (told["state"], told["reason"]) == ("CANCELED", "the device was retired")
    assert JobList.from_bytes(backend.publisher.retained[topics.job("pi-1")]).jobs == ()


def test_devices_are_listed_with_their_presence(backend):
    backend.device("pi-1")
    backend.store.note_availability("pi-2", Availability.STOPPED, at=12.5)

    assert backend.call("GET", "/api/v1/devices").get_json() == [
        {"id": "pi-1", "registered": True, "availability": "offline", "last_seen": None, "labels": {}},
        {"id": "pi-2", "registered": False, "availability": "stopped", "last_seen": 12.5, "labels": {}},
    ]
