"""Searching a world within a budget, by any of the methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from planner.averages import by_configuration
from planner.hypervolume import hypervolume, reference_point
from planner.searching.campaign import Aim, Campaign, Ledger, LocalLedger, Method, asks_of, exhaustive, objectives
from planner.searching.composing import anchors, compose
from protocol.configuration import Account
from protocol.documents import digest_of
from protocol.errors import InvalidInput, ServiceMissing
from protocol.measurement import Measurement
from tools.optimizing.worlds import World

SAMPLERS = ("tpe", "gp", "nsga3")
METHODS = ("compose", "exhaustive", *SAMPLERS)


@dataclass(frozen=True)
class Order:
    """What is to be searched: `budget` is a share of the space or a count; `storage` a database that workers share."""

    method: str
    budget: float | int
    account: Account
    seed: int
    storage: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a search measured. `asked` counts configurations, those that gave nothing among them."""

    measurements: tuple[Measurement, ...]
    asked: int
    budget: int


def search(world: World, order: Order, *, watched: Callable[[Campaign], None] = lambda _campaign: None) -> Outcome:
    """Measures until the budget is spent. What is known before counts towards it.

    The anchors come first. `watched` is called after each configuration.
    InvalidInput where nothing could be measured at all.
    """
    method, budget = method_named(order.method), asks_of(order.budget, world.space)
    with _ledger(world, order, budget) as ledger:
        campaign = Campaign(world.space, world.measurer, ledger, watched)
        aim = Aim(order.account, seed=order.seed)
        if method is not compose:  # which begins with them by itself
            for configuration in anchors(world.space):
                campaign.measure(configuration)
        method(campaign, aim)
        measurements, asked = tuple(campaign.measurements), len(campaign.known)
    if not measurements:
        raise InvalidInput(
            f"of {asked} configurations that were asked for none could be measured; allow a larger budget"
        )
    return Outcome(measurements, asked, budget)


def standing(world: World, account: Account) -> Callable[[Campaign], str]:
    """Tells the hypervolume of what a campaign has measured so far, as a share of the largest one that there could be.

    It counts from beyond the worst that is known: of the whole recording, or of what was measured so far.
    """
    known = None if world.live else reference_point([objectives(item, account) for item in world.there])

    def told(campaign: Campaign) -> str:
        points = [objectives(item, account) for item in campaign.measurements]
        if not points:
            return ""
        corner = reference_point(points) if known is None else known
        return f"hypervolume {hypervolume(points, corner) / float(corner.prod()):.4f}"

    return told


def method_named(name: str) -> Method:
    """The method; ServiceMissing where the packages that it needs are not installed."""
    if name == "compose":
        return compose
    if name == "exhaustive":
        return exhaustive
    try:
        from tools.samplers.asking import Sampled

        return Sampled(name)
    except ModuleNotFoundError as error:
        raise ServiceMissing(f"--method {name} needs the package '{error.name}': pip install '.[tools]'") from error


def study_name(world: World, order: Order) -> str:
    """What workers of the same search call it, and no others: of this network, device, bundle and space, by this method,
    for this account. Readable as far as there is room for it; the digest tells the rest."""
    space = [item.to_json() for item in world.space.configurations()]
    whole = digest_of([*world.origin, order.method, order.account.value, space])
    network, device, _ = world.origin
    return f"{order.method} {order.account} {network:.60} {device:.60} {whole:.16}"


@contextmanager
def _ledger(world: World, order: Order, budget: int) -> Iterator[Ledger]:
    """Who may measure what: this process alone, or all workers that share the storage."""
    known = by_configuration(world.there) if world.live else {}
    if not order.storage:
        yield LocalLedger(max(0, budget - len(known)), known)
        return
    try:
        from tools.samplers.shared import SharedLedger
    except ModuleNotFoundError as error:
        raise ServiceMissing(f"--storage needs the package '{error.name}': pip install '.[tools]'") from error
    study = study_name(world, order)
    ledger = SharedLedger(order.storage, study=study, space=world.space, budget=budget, known=known)
    try:
        yield ledger
    finally:
        ledger.close()
