"""Jobs: what the operator has a device do beside serving."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.given import query_of
from cloud.api.pages import PageQuery, cut
from cloud.api.requests import json_object
from cloud.fleet.known import check_registered
from cloud.jobs.publishing import publish_jobs
from cloud.services import services
from protocol.errors import InvalidInput, ServiceMissing
from protocol.job_orders import ProfileOrder, pushed_network
from protocol.jobs import Job, JobKind, JobState

logger = logging.getLogger(__name__)

blueprint = Blueprint("jobs", __name__)


@dataclass(frozen=True)
class JobOrder:
    """What a device shall do. `parameters` depend on the kind; `timeout_s` counts from the job's start on the device."""

    kind: JobKind
    parameters: dict[str, Any] = field(default_factory=dict)
    timeout_s: float = 3600.0


@dataclass(frozen=True)
class JobFacts:
    """A job and how far it is. `run`: the tag of what it measures, empty where it measures nothing.

    Times are wall time in seconds since the epoch.
    """

    id: str
    kind: JobKind
    parameters: dict[str, Any]
    timeout_s: float
    cancel: bool
    run: str
    state: JobState
    device: str
    done: int
    total: int
    reason: str
    created_at: float
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True)
class PublishedJob(JobFacts):
    """`published`: whether the broker has taken the device's list of jobs."""

    published: bool


@dataclass(frozen=True)
class JobPage:
    """Newest first. `next`: the cursor of what follows, null at the end."""

    items: Sequence[JobFacts]
    next: str | None


@blueprint.post("/api/v1/devices/<device>/jobs")
@allowed(Scope.WRITE)
@described(Operation(body=JobOrder, answers={201: PublishedJob}))
def add_job(device: str) -> tuple[Response, int]:
    """Gives a device a job; `published` is false while the broker is away, and ingest publishes it later."""
    store = services().store
    job = _job(json_object(what="job"))
    check_registered(store, device)
    store.add_job(device, job, at=time.time())
    return _answer(device, job.id), 201


@blueprint.get("/api/v1/devices/<device>/jobs")
@allowed(Scope.READ)
@described(Operation(query=PageQuery, answers={200: JobPage}))
def list_jobs(device: str) -> Response:
    """A device's jobs and how far each is, newest first: a page. Those of one that was removed stay."""
    asked, store = query_of(PageQuery), services().store
    found = store.jobs(device, before=asked.before, limit=asked.most + 1)
    if not found:
        check_registered(store, device)
    items, following = cut(found, asked, lambda stored: stored.position)
    return jsonify({"items": [stored.to_json() for stored in items], "next": following})


@blueprint.get("/api/v1/devices/<device>/jobs/<job_id>")
@allowed(Scope.READ)
@described(Operation(answers={200: JobFacts}))
def get_job(device: str, job_id: str) -> Response:
    """One job, and how far it is."""
    return jsonify(services().store.job(device, job_id).to_json())


@blueprint.post("/api/v1/devices/<device>/jobs/<job_id>/cancel")
@allowed(Scope.WRITE)
@described(Operation(answers={200: PublishedJob}, refusals=(409,)))
def cancel_job(device: str, job_id: str) -> Response:
    """Says that a job is not wanted any more; the device ends it. 409 when it has ended already."""
    services().store.cancel_job(device, job_id)
    return _answer(device, job_id)


def _answer(device: str, job_id: str) -> Response:
    made = services()
    try:
        publish_jobs(made.store, made.publisher, device=device)
        published = True
    except ServiceMissing as error:
        logger.warning("job %s of %s waits for the broker: %s", job_id, device, error)
        published = False
    return jsonify({**made.store.job(device, job_id).to_json(), "published": published})


def _job(content: dict[str, Any]) -> Job:
    """A new job from what the operator asks for; InvalidInput that names what cannot be."""
    given = {"timeout_s": 3600.0, "parameters": {}, **content, "id": uuid.uuid4().hex, "cancel": False}
    job = Job.from_json(given)
    match job.kind:
        case JobKind.PROFILE:
            ProfileOrder.from_json(job.parameters)
        case JobKind.PUSH:
            pushed_network(job.parameters)
        case JobKind.RESTART:
            if job.parameters:
                raise InvalidInput(f"restart job: it takes no parameters, but got {', '.join(job.parameters)[:100]}")
    return job
