"""Networks: what there is of each, and which devices use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.services import services
from cloud.store.bundles.port import StoredBundle
from cloud.tables.standing import Standing, standings

blueprint = Blueprint("networks", __name__)


@dataclass(frozen=True)
class NetworkVersion:
    """A bundle of a network; only loaded ones serve."""

    version: int
    digest: str
    loaded: bool


@dataclass(frozen=True)
class NetworkFacts:
    """A network. `devices`: those that shall use a table for it; `agreeing`: of these, those that say they use that very one."""

    network: str
    versions: list[NetworkVersion]
    devices: list[str]
    agreeing: int


@blueprint.get("/api/v1/networks")
@allowed(Scope.READ)
@described(Operation(answers={200: list[NetworkFacts]}))
def list_networks() -> Response:
    """All networks, each with its versions and the devices that shall use it."""
    store = services().store
    by_network = groupby(store.bundles(), key=lambda bundle: bundle.network)
    return jsonify([_facts(network, list(found), standings(store, network)) for network, found in by_network])


def _facts(network: str, bundles: list[StoredBundle], found: Sequence[Standing]) -> NetworkFacts:
    desired = [standing for standing in found if standing.desired]
    return NetworkFacts(
        network,
        [NetworkVersion(bundle.version, bundle.digest, bundle.loaded) for bundle in bundles],
        devices=[standing.name for standing in desired],
        agreeing=sum(standing.agrees for standing in desired),
    )
