"""Samples over REST."""

from __future__ import annotations

import json

from cloud.store.records.port import Arrival
from protocol.configuration import Provenance
from protocol.samples import Sample


def sample(at: float) -> Sample:
    return Sample(at, True, 30.0, 3.1, 5.2, 93_000.0, Provenance.MEASURED, 1_500_000, 51.5, False)


def test_samples_are_json_lines_latest_first(backend):
    backend.store.write(
        [
            Arrival(name, "boot", n, 100.0 + n, sample(n).to_json(), sample(n))
            for n in (1, 2)
            for name in ("pi-1", "pi-2")
        ]
    )

    response = backend.call("GET", "/api/v1/devices/pi-1/samples?received_since=100")
    last = backend.call("GET", "/api/v1/devices/pi-1/samples?limit=1")

    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [(line["sequence"], line["received_at"]) for line in lines] == [(2, 102.0), (1, 101.0)]
    assert Sample.from_json(lines[0]["sample"]) == sample(2)
    assert [json.loads(line)["sequence"] for line in last.text.splitlines()] == [2]


def test_samples_are_the_operators(backend):
    assert backend.call("GET", "/api/v1/devices/pi-1/samples", token=backend.device("pi-1")).status_code == 403
