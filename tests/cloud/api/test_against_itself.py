"""The endpoints against their own description: schemathesis sends what it allows and what it forbids."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from cloud.store.records.port import Arrival
from protocol.configuration import Provenance
from protocol.jobs import Job, JobKind
from protocol.messages import TableReport, TableState
from protocol.samples import Sample

HEADERS = {"Authorization": "Bearer operator-token"}
EXAMPLES = 8
"""Per operation, of which there are some sixty."""

BY_RULES_OF_THEIR_OWN = [
    # A schema cannot say that a digest fits its content, that a signature fits its table, or what a job's kind wants.
    checks.positive_data_acceptance,
    # A body that a schema forbids may be of another form that is taken: binary tensors, an unknown field.
    checks.negative_data_rejection,
]


@pytest.fixture
def backend(make_backend, digits, inference, measurement, make_signed, monkeypatch):
    """A backend that has something of everything, and does not slow down who shows wrong tokens: that is tried here."""
    monkeypatch.setattr("cloud.access.brake._WRONG_TRIES", 1_000_000)
    made = make_backend(requests_per_minute=0)
    assert made.upload(digits).status_code == 201
    made.device("pi-1")
    made.store.set_labels("pi-1", {"site": "north"})
    signed = make_signed()
    made.store.add_draft(signed.table, at=1.0)
    made.store.set_desired(signed)
    made.store.note_report(
        "pi-1", TableReport("digits", signed.table.digest, 1, TableState.ROLLED_BACK, "slow"), at=1.0
    )
    made.store.add_job("pi-1", Job("j1", JobKind.RESTART), at=2.0)
    sample = Sample(1.0, True, 30.0, 3.1, 5.2, 93_000.0, Provenance.MEASURED, 600_000, 85.0, True)
    contents = (inference, replace(inference, cost=None, configuration=None), measurement, sample)
    made.store.write(
        [Arrival("pi-1", "boot", number, 3.0, body.to_json(), body) for number, body in enumerate(contents)]
    )
    return made


@pytest.fixture
def known(backend, digits) -> dict[str, str]:
    """Values of a path that lead somewhere."""
    (artifact,) = digits.manifest.artifacts
    names = {"device": "pi-1", "network": "digits", "version": "1", "job_id": "j1", "file": "page.js"}
    return names | {"digest": digits.digest, "sha256": artifact.sha256}


@pytest.fixture
def api(backend):
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", read_whole(backend.app), headers=HEADERS)


def read_whole(app):
    """Reads and closes each answer as servers do: the client of schemathesis leaves open what an answer is sent from, so that
    downloads would be under way, until there are too many, for as long as the garbage is not collected."""

    def answered(environ, start_response):
        with contextlib.closing(app(environ, start_response)) as pieces:
            return [b"".join(pieces)]

    return answered


def found_wrong(operation, mode: GenerationMode, known: dict[str, str]) -> list[str]:
    """What is wrong with an operation's answers, in some lines; nothing where all is right."""
    if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body or operation.path_parameters):
        return []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), there=strategies.booleans())
    def send(case, there) -> None:
        if there and case.path_parameters and operation.method.lower() != "delete":
            case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
        case.call_and_validate(headers=HEADERS, excluded_checks=BY_RULES_OF_THEIR_OWN)

    try:
        send()
    except Unsatisfiable:  # nothing is forbidden there
        return []
    except BaseExceptionGroup as failures:
        return [f"{operation.label} ({mode.value}): {failure}" for failure in failures.exceptions]
    return []


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_answers_are_as_described(api, known, mode):
    wrong = [line for each in api.get_all_operations() for line in found_wrong(each.ok(), mode, known)]

    assert not wrong, "\n\n".join(wrong)
