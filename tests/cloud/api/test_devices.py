"""Registering devices."""

from __future__ import annotations

import pytest

from cloud.broker.publishing import MemoryPublisher
from cloud.rollouts.driving import Driver
from cloud.tables.publishing import publish_desired
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


def test_a_device_with_a_misspelt_field_is_400(backend):
    response = backend.call("POST", "/api/v1/devices", json={"id": "pi-1", "label": {"site": "north"}})

    assert response.status_code == 400
    assert "'label' is not known here; known: id, labels" in response.get_json()["error"]
    assert backend.store.devices() == []


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


def test_a_removed_device_is_online_no_more(backend):
    backend.device("pi-1")
    backend.store.note_availability("pi-1", Availability.ONLINE, at=12.5)

    backend.call("DELETE", "/api/v1/devices/pi-1")

    (told,) = backend.call("GET", "/api/v1/devices").get_json()
    assert (told["registered"], told["availability"]) == (False, "stopped")
    assert backend.call("GET", "/api/v1/devices?availability=online").get_json() == []


@pytest.mark.usefixtures("bundle_of_tables")
def test_a_removed_device_leaves_no_table_and_no_word_of_its_own_at_the_broker(backend, make_signed):
    path, kept = "/api/v1/devices/pi-1/tables/digits", topics.desired("pi-2", "digits")
    for device in ("pi-1", "pi-2"):
        backend.device(device)
        backend.call("PUT", path.replace("pi-1", device), json=make_signed(3, device=device).to_json())
    for topic in (topics.availability("pi-1"), topics.state("pi-1"), topics.reported("pi-1", "digits")):
        backend.publisher.publish(topic, b"a word")

    assert backend.call("DELETE", "/api/v1/devices/pi-1").status_code == 204

    assert list(backend.publisher.retained) == [kept]
    assert backend.call("GET", path).get_json() == {"desired": None, "reported": None}
    assert [each["version"] for each in backend.call("GET", f"{path}/history").get_json()["items"]] == [3]
    (standing, _) = backend.call("GET", "/api/v1/networks/digits/tables").get_json()
    assert (standing["device"], standing["desired"], standing["last_version"]) == ("pi-1", None, 3)


@pytest.mark.usefixtures("bundle_of_tables")
def test_tables_of_a_device_that_is_removed_while_the_broker_is_away_are_taken_off_later(backend, make_signed):
    backend.device("pi-1")
    backend.call("PUT", "/api/v1/devices/pi-1/tables/digits", json=make_signed(3).to_json())
    backend.publisher.away = True

    assert backend.call("DELETE", "/api/v1/devices/pi-1").status_code == 204
    assert topics.desired("pi-1", "digits") in backend.publisher.retained
    backend.publisher.away = False
    Driver(backend.store, backend.publisher).look()

    assert topics.desired("pi-1", "digits") not in backend.publisher.retained
    assert backend.store.unpublished_desired() == []


def test_a_table_that_was_withdrawn_while_it_was_published_is_taken_back(backend, make_signed):
    class Slow(MemoryPublisher):
        """While this one publishes, the device is retired."""

        def publish(self, topic, payload):
            if not self.published:
                backend.store.remove_device("pi-1", at=9.0)
            super().publish(topic, payload)

    backend.device("pi-1")
    backend.store.set_desired(make_signed(1))
    publisher = Slow()

    publish_desired(backend.store, publisher, device="pi-1", network="digits")

    assert publisher.retained == {}
