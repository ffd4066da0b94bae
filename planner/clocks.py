"""How a head's time and power change with the CPU clock.

A curve maps a head's time at a reference clock to its time at another clock. The heads that were measured at both are
its points; between them it is straight, below the first it goes to the origin, above the last it stays in proportion.
So it is exact where work takes m + c/f (m: memory, whatever the clock) with one ratio of m to c for the whole network,
and where that ratio is another one before than after the middle cut. On the published measurements (DynaSplit, arXiv
2410.23881) one ratio for all cuts has a median error of 1 %. Watts change from clock to clock by one factor for all
heads.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from planner.averages import HEAD_FIGURES, least_certain
from planner.pricing import Floats
from protocol.configuration import Codec, Configuration, EdgeAccelerator, Provenance
from protocol.table import Row

Mode = tuple[EdgeAccelerator, int]
"""How a device computes: edge accelerator and threads. Each mode has curves of its own."""

HeadKey = tuple[int, Codec, EdgeAccelerator, int]
"""What a head's time depends on besides the clock: cut, codec, edge accelerator, threads."""


@dataclass(frozen=True)
class HeadCost:
    """Time and energy of a head at one clock, and the least certain kind that is in them."""

    time_ms: float
    energy_mj: float
    provenance: Provenance | None


@dataclass(frozen=True, eq=False)
class Curve:
    """From the reference clock to another. The points ascend in `reference_ms` and start at the origin."""

    reference_ms: Floats
    clock_ms: Floats
    watts_factor: float
    provenance: Provenance | None

    def at_clock(self, head: HeadCost) -> HeadCost:
        """The cost of a head at this curve's clock, from its cost at the reference clock."""
        time_ms = self._time_ms(head.time_ms)
        stretch = time_ms / head.time_ms if head.time_ms else 1.0
        kinds = [kind for kind in (head.provenance, self.provenance) if kind]
        return HeadCost(time_ms, head.energy_mj * stretch * self.watts_factor, least_certain(kinds))

    def _time_ms(self, reference_ms: float) -> float:
        last_ms = float(self.reference_ms[-1])
        if reference_ms > last_ms > 0:
            return float(self.clock_ms[-1]) * reference_ms / last_ms
        return float(np.interp(reference_ms, self.reference_ms, self.clock_ms))


def mode_of(configuration: Configuration) -> Mode:
    return configuration.edge_accelerator, configuration.threads


def head_key(configuration: Configuration) -> HeadKey:
    return configuration.cut, configuration.codec, configuration.edge_accelerator, configuration.threads


def head_costs(rows: Iterable[Row]) -> dict[tuple[HeadKey, int], HeadCost]:
    """The cost of each head at each clock (kHz): the median over the rows that share it."""
    groups: dict[tuple[HeadKey, int], list[Row]] = defaultdict(list)
    for row in rows:
        groups[head_key(row.configuration), row.configuration.cpu_khz].append(row)
    return {
        key: HeadCost(
            time_ms=median(row.head_ms for row in group),
            energy_mj=median(row.head_mj for row in group),
            provenance=least_certain(
                row.provenance[name] for row in group for name in HEAD_FIGURES if name in row.provenance
            ),
        )
        for key, group in groups.items()
    }


def reference_clocks(heads: Iterable[tuple[HeadKey, int]]) -> dict[Mode, int]:
    """For each mode the clock (kHz) at which most heads were measured, the highest of several."""
    counts: dict[Mode, Counter[int]] = defaultdict(Counter)
    for (_, _, accelerator, threads), cpu_khz in heads:
        counts[accelerator, threads][cpu_khz] += 1
    return {mode: max(clocks, key=lambda khz: (clocks[khz], khz)) for mode, clocks in counts.items()}


def curves(
    heads: Mapping[tuple[HeadKey, int], HeadCost], reference_khz: Mapping[Mode, int]
) -> dict[tuple[Mode, int], Curve]:
    """A curve for each mode and clock (kHz) at which a head was measured that was measured at the reference clock too."""
    pairs: dict[tuple[Mode, int], list[tuple[HeadCost, HeadCost]]] = defaultdict(list)
    for (key, cpu_khz), cost in heads.items():
        mode = (key[2], key[3])
        reference = heads.get((key, reference_khz[mode]))
        if reference is not None:
            pairs[mode, cpu_khz].append((reference, cost))
    return {key: _curve(found) for key, found in pairs.items()}


def _curve(pairs: Sequence[tuple[HeadCost, HeadCost]]) -> Curve:
    points = sorted((reference.time_ms, cost.time_ms) for reference, cost in pairs)
    reference_ms, clock_ms = np.array([(0.0, 0.0), *points], dtype=np.float64).T
    kinds = [kind for pair in pairs for kind in (pair[0].provenance, pair[1].provenance) if kind]
    return Curve(
        reference_ms=reference_ms,
        clock_ms=clock_ms,
        watts_factor=_watts([cost for _, cost in pairs]) / _watts([reference for reference, _ in pairs]),
        provenance=least_certain(kinds),
    )


def _watts(costs: Sequence[HeadCost]) -> float:
    """mJ / ms = W, over all of the heads: long ones, whose energy a meter sees well, weigh more. 1 where nothing was drawn."""
    time_ms, energy_mj = sum(cost.time_ms for cost in costs), sum(cost.energy_mj for cost in costs)
    return energy_mj / time_ms if time_ms and energy_mj else 1.0
