"""Dead letters over REST."""

from __future__ import annotations

import json

from cloud.store.dead_letters.port import letter_of_message
from cloud.store.records.port import Arrival
from protocol.configuration import Provenance
from protocol.samples import Sample


def fill(backend, count: int) -> None:
    backend.store.put_aside(
        [
            letter_of_message("t", b"%d" % number, device=f"pi-{number % 2}", reason="no", received_at=float(number))
            for number in range(count)
        ]
    )


def test_dead_letters_are_told_page_by_page_with_their_reason(backend):
    fill(backend, 5)

    first = backend.call("GET", "/api/v1/dead-letters?limit=3").get_json()
    rest = backend.call("GET", f"/api/v1/dead-letters?limit=3&cursor={first['next']}").get_json()

    assert [item["payload"] for item in first["items"] + rest["items"]] == ["4", "3", "2", "1", "0"]
    assert (first["count"], rest["next"], rest["items"][0]["reason"]) == (5, None, "no")


def test_dead_letters_of_one_device(backend):
    fill(backend, 4)

    page = backend.call("GET", "/api/v1/dead-letters?device=pi-1").get_json()

    assert [item["received_at"] for item in page["items"]] == [3.0, 1.0]


def test_a_made_up_cursor_is_refused(backend):
    assert backend.call("GET", "/api/v1/dead-letters?cursor=x").status_code == 400


def test_dead_letters_are_no_device_s(backend):
    assert backend.call("GET", "/api/v1/dead-letters", token=backend.device("pi-1")).status_code == 403


def test_old_samples_are_told_by_the_minute(backend):
    sample = Sample(90.0, True, 30.0, 3.1, 5.2, 93_000.0, Provenance.MEASURED, 1_500_000, 51.5, True)
    backend.store.write([Arrival("pi-1", "boot", 1, 100.0, sample.to_json(), sample)])
    backend.store.thin_samples(received_before=200.0)

    (line,) = backend.call("GET", "/api/v1/devices/pi-1/sample-minutes?since=60").text.splitlines()

    found = json.loads(line)
    assert (found["minute"], found["count"], found["mean_w"], found["provenance"]) == (60, 1, 3.1, "measured")
    assert found["throttled_share"] == 1.0
