"""Tables computed here, from stored measurements, as drafts: unsigned."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from pydantic import Field

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.auditing import about
from cloud.api.described import Operation, described
from cloud.api.given import BodyModel, body_of
from cloud.services import services
from cloud.store.computations.port import Computation, ComputationState, TableOrder
from cloud.tables.computing import ask
from protocol import topics
from protocol.documents import check_text

blueprint = Blueprint("computations", __name__)

_MOST_DEVICES = 10_000


class ComputationOrder(BodyModel):
    """Compose what `device` measured of a network: with `bundle` (empty: the newest one), tagged `run` (empty: any).

    `devices`, which are like it, get a draft each; empty: the device itself. `partial`: leave out what the measurements do
    not cover, instead of refusing. `trust_all`: use those that contradict the rest. `skip_bad`: leave out those that
    cannot be.
    """

    network: str
    device: str
    bundle: str = ""
    run: str = ""
    devices: Annotated[list[str], Field(max_length=_MOST_DEVICES)] = Field(default_factory=list)
    partial: bool = False
    trust_all: bool = False
    skip_bad: bool = False

    def order(self) -> TableOrder:
        """InvalidInput for what cannot be a name."""
        devices = dict.fromkeys(topics.check_name(name, what="device") for name in self.devices or [self.device])
        for name in ("bundle", "run"):
            check_text(getattr(self, name), what=f"table order: '{name}'")
        return TableOrder(
            network=topics.check_name(self.network, what="network"),
            device=topics.check_name(self.device, what="device"),
            bundle=self.bundle,
            devices=tuple(devices),
            run=self.run,
            partial=self.partial,
            trust_all=self.trust_all,
            skip_bad=self.skip_bad,
        )


@dataclass(frozen=True)
class ComputationFacts:
    """An order and what became of it: `drafts`, digests by device, and `facts` about the measurements. Times in seconds
    since the epoch."""

    id: str
    order: TableOrder
    state: ComputationState
    reason: str
    drafts: dict[str, str]
    facts: dict[str, Any]
    created_at: float
    ended_at: float | None


@blueprint.post("/api/v1/tables/compute")
@allowed(Scope.WRITE)
@described(Operation(body=ComputationOrder, answers={202: ComputationFacts}, refusals=(404, 409)))
def add_computation() -> tuple[Response, int]:
    """Has drafts composed from stored measurements. Ingest does it; the answer's id tells how far it is."""
    order = body_of(ComputationOrder, what="table order").order()
    computation = ask(services().store, order, at=time.time())
    about(f"computation {computation.id} of {order.network} on {order.device}")
    return jsonify(_told(computation)), 202


@blueprint.get("/api/v1/tables/compute/<computation_id>")
@allowed(Scope.READ)
@described(Operation(answers={200: ComputationFacts}))
def get_computation(computation_id: str) -> Response:
    """How far a computation is, and what it gave."""
    return jsonify(_told(services().store.computation(computation_id)))


def _told(computation: Computation) -> dict[str, Any]:
    content = computation.to_json()
    return {name: content[name] for name in ComputationFacts.__dataclass_fields__}
