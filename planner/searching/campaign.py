"""A campaign: measuring configurations of a space, each at most once, until a budget is spent.

A method decides what to measure, a measurer measures it, a ledger knows what was measured and by whom. A ledger that
several workers share lets them measure one space together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from planner.space import Space
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.measurement import Measurement

Known = Mapping[Configuration, Sequence[Measurement]]
"""What each configuration that was measured gave: nothing where it cannot be measured."""


class Measurer(Protocol):
    """Where measurements come from: a device, an emulated one, or trials that were recorded."""

    def measure(self, configuration: Configuration) -> Sequence[Measurement]:
        """Runs the configuration; empty where it cannot be measured here, which costs budget all the same.

        Called from one thread. ServiceMissing when the device or the cloud is away: the campaign ends with what it has.
        """
        ...


class Ledger(Protocol):
    """What was measured, and what may be. A configuration belongs to the first worker that claims it."""

    def known(self) -> Known:
        """What has been recorded so far, by all workers, in the order of recording."""
        ...

    def left(self) -> int:
        """How many configurations may still be claimed.

        Where workers share the ledger and none is left, it waits for what the others are measuring: whoever dies gives
        its own back.
        """
        ...

    def claim(self, configuration: Configuration) -> bool:
        """Takes one of the budget for this configuration; False where none is left or somebody has claimed it."""
        ...

    def record(self, configuration: Configuration, measurements: Sequence[Measurement]) -> None:
        """What a claimed configuration gave."""
        ...

    def give_back(self, configuration: Configuration) -> None:
        """Returns a claim: the configuration was not measured after all."""
        ...


@dataclass(frozen=True)
class Aim:
    """What the search is for: energy of this account, over this link (None: the one that the measurements saw).

    `seed` decides whatever a method leaves to chance.
    """

    account: Account = Account.EDGE_NODE
    link: Link | None = None
    seed: int = 0


class LocalLedger:
    """The ledger of a single worker, in memory. `known` may hold what was measured before; it costs nothing."""

    def __init__(self, budget: int, known: Known | None = None) -> None:
        self._known = dict(known or {})
        self._claimed = set(self._known)
        self._left = budget

    def known(self) -> Known:
        return self._known

    def left(self) -> int:
        return self._left

    def claim(self, configuration: Configuration) -> bool:
        if not self._left or configuration in self._claimed:
            return False
        self._claimed.add(configuration)
        self._left -= 1
        return True

    def record(self, configuration: Configuration, measurements: Sequence[Measurement]) -> None:
        self._known[configuration] = tuple(measurements)

    def give_back(self, configuration: Configuration) -> None:
        self._claimed.discard(configuration)
        self._left += 1


def _nothing(_campaign: Campaign) -> None:
    """What follows a measurement where nobody watches."""


@dataclass(frozen=True, eq=False)
class Campaign:
    """A space, a measurer, and a ledger. `measured` is called after every configuration that was asked for.

    `left`, `known` and `measurements` ask the ledger each time, which may be a database: once a step, not in inner loops.
    """

    space: Space
    measurer: Measurer
    ledger: Ledger
    measured: Callable[[Campaign], None] = field(default=_nothing)

    @property
    def left(self) -> int:
        """How many more configurations may be measured: budget, and the space itself, are limits."""
        return min(self.ledger.left(), self._size - len(self.ledger.known()))

    @cached_property
    def _size(self) -> int:
        return self.space.size

    @property
    def known(self) -> Known:
        """What each configuration that was measured gave."""
        return self.ledger.known()

    @property
    def measurements(self) -> list[Measurement]:
        """All that was measured, in order."""
        return [item for found in self.ledger.known().values() for item in found]

    def measure(self, configuration: Configuration) -> Sequence[Measurement] | None:
        """What the configuration gives: measured now where nobody has yet, else what is known.

        None when the budget is spent, or another worker is still measuring it.
        """
        known = self.ledger.known().get(configuration)
        if known is not None:
            return known
        if not self.ledger.claim(configuration):
            return None
        try:
            found = tuple(self.measurer.measure(configuration))
        except BaseException:
            self.ledger.give_back(configuration)
            raise
        self.ledger.record(configuration, found)
        self.measured(self)
        return found


class Method(Protocol):
    """A way to search: measures through the campaign until its budget is spent or nothing is left to ask."""

    def __call__(self, campaign: Campaign, aim: Aim) -> None: ...


def exhaustive(campaign: Campaign, aim: Aim) -> None:
    """Measures the space in its order, for as long as the budget lasts; the aim does not matter."""
    del aim
    while campaign.left:
        for configuration in campaign.space.configurations():
            if campaign.measure(configuration) is None and not campaign.left:
                return


def asks_of(budget: float | int, space: Space) -> int:
    """How many configurations a budget lets measure: an integer is their number, another figure a share of the space.

    Of a share the integer part counts, but at least one. InvalidInput for a share outside (0, 1] or a count below 1.
    """
    size = space.size
    if isinstance(budget, int):
        if budget < 1:
            raise InvalidInput(f"budget: a number of configurations must be 1 or more, not {budget}")
        return min(budget, size)
    if not 0 < budget <= 1:
        raise InvalidInput(f"budget: a share of the space must lie above 0 and up to 1, not {budget}")
    return max(1, int(budget * size + 1e-9))


def budget_from(text: str) -> float | int:
    """The budget that a text names: `50` configurations, `0.1` or `10%` of the space. InvalidInput for anything else."""
    try:
        if text.strip().endswith("%"):
            return float(text.strip()[:-1]) / 100
        return int(text) if text.strip().lstrip("+-").isdigit() else float(text)
    except ValueError as error:
        raise InvalidInput(
            f"budget: give a share of the space such as 0.1 or 10%, or a number of configurations such as 50, "
            f"not {text!r:.40}"
        ) from error


def objectives(measurement: Measurement, account: Account) -> tuple[float, float]:
    """Latency in ms and energy in mJ of a measurement; InvalidInput for `edge_active` where it is unknown."""
    cost = measurement.cost
    if account is Account.EDGE:
        return cost.latency_ms, cost.edge_mj
    if account is Account.EDGE_NODE:
        return cost.latency_ms, cost.edge_mj + cost.cloud_node_mj
    if cost.cloud_active_mj is None and cost.up_bytes:
        raise InvalidInput(
            "account edge_active: what the cloud spends above idle is unknown; "
            "set the cloud's idle power and measure again, or use edge_node"
        )
    return cost.latency_ms, cost.edge_mj + (cost.cloud_active_mj or 0.0)
