"""Rollouts over HTTP."""

from __future__ import annotations

import pytest

PATH = "/api/v1/rollouts"


@pytest.fixture
def order(backend, make_signed, bundle_of_tables):
    """Makes an order for the devices, which are registered."""

    def make(*devices: str, **more):
        for device in devices:
            backend.device(device)
        return {"network": "digits", "tables": [make_signed(1, device=each).to_json() for each in devices], **more}

    return make


def test_a_rollout_is_kept_and_told(backend, order):
    response = backend.call("POST", PATH, json=order("pi-1", "pi-2", canary_share=0.5, soak_s=10))

    made = response.get_json()
    assert (response.status_code, made["state"], made["counts"]) == (201, "PENDING", {"waiting": 2})
    assert (made["plan"]["canary_share"], made["plan"]["soak_s"], made["plan"]["growth"]) == (0.5, 10, None)
    assert [(each["device"], each["version"]) for each in made["members"]] == [("pi-1", 1), ("pi-2", 1)]
    assert backend.call("GET", f"{PATH}/{made['id']}").get_json() == made
    (listed,) = backend.call("GET", f"{PATH}?network=digits").get_json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "members"}
    assert backend.call("GET", f"{PATH}?network=faces").get_json() == {"items": [], "next": None}


def test_rollouts_come_in_pages_newest_first(backend, order):
    made = [backend.call("POST", PATH, json=order(f"pi-{number}")).get_json()["id"] for number in range(3)]

    first = backend.call("GET", f"{PATH}?limit=2").get_json()
    second = backend.call("GET", f"{PATH}?limit=2&cursor={first['next']}").get_json()

    assert [each["id"] for each in (*first["items"], *second["items"])] == made[::-1]
    assert second["next"] is None


def test_a_canceled_rollout_has_ended(backend, order):
    made = backend.call("POST", PATH, json=order("pi-1")).get_json()

    canceled = backend.call("POST", f"{PATH}/{made['id']}/cancel").get_json()

    assert canceled["state"] == "CANCELED"
    assert backend.call("POST", f"{PATH}/{made['id']}/cancel").status_code == 409
    assert backend.call("POST", f"{PATH}/unknown/cancel").status_code == 404


@pytest.mark.parametrize(
    "more",
    [
        {"canary_share": 0},
        {"canary_share": 1.5},
        {"growth": 0},
        {"soak_s": -1},
        {"patience_s": "long"},
        {"stop_on": ["applied"]},
        {"tables": []},
        {"tables": [{}]},
        {"tables": ["signed"]},
        {"network": "no/name"},
        {"network": 5},
    ],
)
def test_what_cannot_be_is_told_in_one_line(backend, order, more):
    response = backend.call("POST", PATH, json=order("pi-1") | more)

    assert response.status_code == 400
    assert "\n" not in response.get_json()["error"]
    assert backend.call("GET", PATH).get_json()["items"] == []


def test_nan_and_a_body_that_is_no_object_are_refused(backend):
    assert backend.call("POST", PATH, data=b'{"soak_s": NaN}').status_code == 400
    assert backend.call("POST", PATH, data=b"[]").status_code == 400


def test_a_device_may_not(backend, order):
    token = backend.device("pi-9")

    assert backend.call("POST", PATH, json=order("pi-1"), token=token).status_code == 403
    assert backend.call("GET", PATH, token=token).status_code == 403
