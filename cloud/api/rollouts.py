"""Rollouts: signed tables for many devices, sent stage by stage, stopped by the first that fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, jsonify
from pydantic import Field

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.auditing import about
from cloud.api.described import Operation, described
from cloud.api.given import BodyModel, body_of, query_of
from cloud.api.pages import PageQuery, cut
from cloud.rollouts.ending import end
from cloud.rollouts.stages import canceled
from cloud.rollouts.starting import start
from cloud.services import services
from cloud.store.rollouts.values import Member, Plan, Rollout, RolloutState
from protocol import topics
from protocol.errors import Conflict
from protocol.messages import TableState
from protocol.signing import SignedTable

blueprint = Blueprint("rollouts", __name__)

_LONGEST_S = 90 * 24 * 3600.0

Share = Annotated[float, Field(gt=0, le=1)]
Growth = Annotated[float, Field(gt=0, le=1000)]
Stopping = Literal["rejected", "rolled_back"]
Seconds = Annotated[float, Field(ge=0, le=_LONGEST_S)]


class RolloutOrder(BodyModel):
    """Signed tables of one network, one per device, and how careful to be.

    `canary_share` of the devices are the first stage; each further one takes `growth` times as many as all before it
    (null: all that are left). A stage is watched for `soak_s` after its last device applied its table. A device that is
    off is waited for `patience_s`; one that is online has as long for its word. `stop_on`: the reports that stop all.
    """

    network: str
    tables: list[dict[str, Any]] = Field(min_length=1, description="signed tables, as they are pushed")
    canary_share: Share = Plan.canary_share
    growth: Growth | None = Plan.growth
    soak_s: Seconds = Plan.soak_s
    patience_s: Seconds = Plan.patience_s
    stop_on: Annotated[tuple[Stopping, ...], Field(strict=False)] = ("rejected", "rolled_back")

    @property
    def plan(self) -> Plan:
        stop_on = tuple(TableState(name) for name in dict.fromkeys(self.stop_on))
        return Plan(self.canary_share, self.growth, self.soak_s, self.patience_s, stop_on)


@dataclass(frozen=True)
class RolloutSummary:
    """A rollout and how far it is. `counts`: how many devices are in which state. Times in seconds since the epoch."""

    id: str
    network: str
    plan: Plan
    state: RolloutState
    stage: int
    reason: str
    counts: dict[str, int]
    created_at: float
    started_at: float | None
    settled_at: float | None
    ended_at: float | None


@dataclass(frozen=True)
class RolloutFacts(RolloutSummary):
    """A rollout with its devices."""

    members: tuple[Member, ...]


@dataclass(frozen=True)
class RolloutPage:
    """Newest first, without their devices. `next`: the cursor of what follows, null at the end."""

    items: Sequence[RolloutSummary]
    next: str | None


class RolloutsQuery(PageQuery):
    """Those of a network, or all."""

    network: str | None = None


@blueprint.post("/api/v1/rollouts")
@allowed(Scope.WRITE)
@described(Operation(body=RolloutOrder, answers={201: RolloutFacts}, refusals=(409,)))
def add_rollout() -> tuple[Response, int]:
    """Starts a rollout. Ingest moves it on: it sends the tables, watches the devices, and stops at the first that fails."""
    order = body_of(RolloutOrder, what="rollout")
    tables = [
        SignedTable.from_json(content, what=f"rollout: table {number}")
        for number, content in enumerate(order.tables, start=1)
    ]
    network = topics.check_name(order.network, what="network")
    made = services()
    known = made.settings.operator_public_key
    rollout = start(made.store, network, tables, order.plan, at=time.time(), public_key=known)
    about(f"rollout {rollout.id} of {network} to {len(tables)} devices")
    return jsonify(_facts(rollout)), 201


@blueprint.get("/api/v1/rollouts")
@allowed(Scope.READ)
@described(Operation(query=RolloutsQuery, answers={200: RolloutPage}))
def list_rollouts() -> Response:
    """Rollouts without their devices, newest first: a page."""
    asked = query_of(RolloutsQuery)
    found = services().store.rollouts(network=asked.network, before=asked.before, limit=asked.most + 1)
    items, following = cut(found, asked, lambda rollout: rollout.position)
    return jsonify({"items": [_summary(rollout) for rollout in items], "next": following})


@blueprint.get("/api/v1/rollouts/<rollout_id>")
@allowed(Scope.READ)
@described(Operation(answers={200: RolloutFacts}))
def get_rollout(rollout_id: str) -> Response:
    """One rollout, and where each of its devices is."""
    return jsonify(_facts(services().store.rollout(rollout_id)))


@blueprint.post("/api/v1/rollouts/<rollout_id>/cancel")
@allowed(Scope.WRITE)
@described(Operation(answers={200: RolloutFacts}, refusals=(409,)))
def cancel_rollout(rollout_id: str) -> Response:
    """Gives a rollout up: devices keep what they have. 409 when it has ended already."""
    store = services().store
    while True:
        rollout = store.rollout(rollout_id)
        if rollout.state.final:
            raise Conflict(f"rollout {rollout.id} has ended already: {rollout.state.value}")
        if end(store, canceled(rollout, at=time.time())):
            return jsonify(_facts(store.rollout(rollout_id)))


def _facts(rollout: Rollout) -> dict[str, Any]:
    return {
        "counts": rollout.counts(),
        **{name: each for name, each in rollout.to_json().items() if name != "revision"},
    }


def _summary(rollout: Rollout) -> dict[str, Any]:
    return {name: each for name, each in _facts(rollout).items() if name != "members"}
