"""What a request costs on the node, by the node's own energy counters."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from cloud.inference.energy import NodeEnergy, NodeMeter, NodeProfile
from cloud.inference.ledger import Ledger, Mark
from cloud.settings import MeterKind
from hardware.power.counts import EnergyCounts, NoCounts, NvmlCounts, RaplCounts
from protocol.configuration import Provenance
from protocol.errors import NotAllowed, NotFound

logger = logging.getLogger(__name__)

_LEDGER = "node-energy.ledger"
_PERIODS_FOR_A_MEASUREMENT = 5


class MeteredNode:
    """A `NodeMeter` by counters, which are read where a request begins and ends: nothing is sampled, so nothing can starve.

    A request shorter than 5 periods of the counters is `estimated`; one shorter than a single period, in which they may not have
    moved at all, by the profile. What they measure is the processors or the GPU, not the whole machine.
    """

    def __init__(self, counts: EnergyCounts, ledger: Ledger, profile: NodeProfile) -> None:
        self._period_s = counts.period_s
        self._ledger = ledger
        self._profile = profile

    @classmethod
    def over(
        cls,
        counts: EnergyCounts,
        profile: NodeProfile,
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> MeteredNode:
        """With the other processes that name the same folder; alone without one."""
        path = folder / _LEDGER if folder else None
        return cls(counts, Ledger(counts, guess_w=profile.busy_watts, clock=clock, path=path), profile)

    def window(self) -> _MeteredWindow:
        return _MeteredWindow(self)

    def begin(self) -> Mark:
        """The beginning of a request."""
        return self._ledger.begin()

    def end(self) -> Mark:
        """The end of a request."""
        return self._ledger.end()

    def between(self, begun: Mark, ended: Mark) -> NodeEnergy:
        """What one that was under way between these marks has taken."""
        seconds = ended.at_s - begun.at_s
        share_s = ended.share_s - begun.share_s
        if seconds < self._period_s:
            return self._profile.spent(share_s * 1e3)
        node_j = ended.share_j - begun.share_j
        idle_w = self._profile.idle_watts
        active_mj = None if idle_w is None else max(0.0, node_j - idle_w * share_s) * 1e3
        exact = ended.gaps == begun.gaps and seconds >= _PERIODS_FOR_A_MEASUREMENT * self._period_s
        return NodeEnergy(node_j * 1e3, active_mj, Provenance.MEASURED if exact else Provenance.ESTIMATED)


class _MeteredWindow:
    """Ends once, when its energy is asked for, or at the end of its block. For one thread."""

    _begun: Mark

    def __init__(self, node: MeteredNode) -> None:
        self._node = node
        self._ended: Mark | None = None

    def __enter__(self) -> Self:
        self._begun = self._node.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def spent(self) -> NodeEnergy:
        return self._node.between(self._begun, self._close())

    def _close(self) -> Mark:
        if self._ended is None:
            self._ended = self._node.end()
        return self._ended


def open_node(kind: MeterKind, profile: NodeProfile, *, folder: Path | None = None) -> NodeMeter:
    """The meter that is set. NotFound, NotAllowed and ServiceMissing for counters that are not here; `auto` takes the profile."""
    match kind:
        case MeterKind.RAPL:
            return MeteredNode.over(RaplCounts(), profile, folder=folder)
        case MeterKind.NVML:
            return MeteredNode.over(NvmlCounts(), profile, folder=folder)
        case MeterKind.AUTO:
            return _processors_or(profile, folder)
        case MeterKind.PROFILE:
            return MeteredNode.over(NoCounts(), profile, folder=folder)


def _processors_or(profile: NodeProfile, folder: Path | None) -> NodeMeter:
    try:
        counts: EnergyCounts = RaplCounts()
    except (NotFound, NotAllowed) as error:
        logger.info("energies are estimated from the node's profile: %s", error)
        counts = NoCounts()
    return MeteredNode.over(counts, profile, folder=folder)
