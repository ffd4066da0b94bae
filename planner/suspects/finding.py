"""Measurements that contradict the rest: which, by how much, and what probably went wrong.

A measurement is held against what the others say of its figure (a robust fit, without itself), in units of how sure they are.
Who is far off is accused only with evidence: others must speak of the same head, and unless a known fault explains the
figure it must be very far off. Faults that are known: the CPU ran at another clock than the label says; the time sits on
a tick of a waiting loop; the watts are those of another clock, or of a TPU that the label does not know of; the tail
ran on the other cloud accelerator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import exp, log
from statistics import median

import numpy as np

from planner.costs.head_times import Heads, HeadTimes, fit_heads
from planner.costs.predictions import way_of
from planner.suspects.groups import Suspect, grouped_places, tails_apart, watts_apart
from protocol.configuration import Configuration
from protocol.measurement import Measurement

__all__ = ["Suspect", "find"]

FAR_OFF = 0.12
"""In the logarithm, 12 %: the next clock is 11 % away, chance reaches 5 %. Nearer ones are not accused."""
_OFF_ON_TICK = 0.08
_OFF_UNEXPLAINED = 0.2
_NO_KNOWN_FAULT, _NO_ACCIDENT = "no known fault", 3
_CERTAIN, _PERHAPS = 4.0, 1.5
"""Standard deviations from what the others say."""
_ALIKE = 0.025
_SPEAKING = 3
"""So many cells (clocks, or disagreeing repeats) of a head must speak, and so many heads share a tick, to be evidence; and
from so many ticks on they are taken to go on."""
_STEP = 0.1
"""Ticks that lie nearer than this share of the later one may well be one tick, blurred: their distance is no step."""


def find(measurements: Sequence[Measurement]) -> list[Suspect]:
    """The suspects among measurements of one network on one device, in their order; each measurement at most once.

    Figures are `head_ms`, `edge_w` (mJ / ms over the whole request) and `cloud_ms`. Throttled measurements are not
    looked at: they are left out anyhow.
    """
    places = [place for place, item in enumerate(measurements) if not item.throttled]
    found: dict[int, Suspect] = {}
    for contradicting in (_heads, watts_apart, tails_apart):
        for suspect in contradicting(measurements, [place for place in places if place not in found]):
            found.setdefault(suspect.measurement_index, suspect)
    return [found[place] for place in sorted(found)]


@dataclass(frozen=True, eq=False)
class _Cell:
    """Measurements of one head at one clock that agree, and what the others expect there."""

    places: tuple[int, ...]
    configuration: Configuration
    up_bytes: int
    recorded_ms: float
    expected_ms: float
    deviation: float
    speaking: int

    @property
    def off(self) -> float:
        return log(self.recorded_ms / self.expected_ms)

    @property
    def late(self) -> bool:
        """Whether it took longer than expected, if only perhaps: that many heads share such a time is evidence, too."""
        return self.off > max(_PERHAPS * self.deviation, _OFF_ON_TICK)

    @property
    def accusable(self) -> bool:
        return self.speaking >= _SPEAKING and abs(self.off) > max(_CERTAIN * self.deviation, _OFF_ON_TICK)


def _heads(measurements: Sequence[Measurement], places: Sequence[int]) -> list[Suspect]:
    ways = grouped_places(
        [place for place in places if _computes(measurements[place])],
        lambda place: way_of(measurements[place].configuration),
    )
    fits = [_fit(measurements, of_way) for of_way in ways.values()]
    ticks = _ticks([cell for _, cells in fits for cell in cells if cell.late])
    accused = [
        (cell, model)
        for model, cells in fits
        for cell in cells
        if cell.accusable or (cell.late and _tick_of(cell.recorded_ms, ticks))
    ]
    alike: dict[Configuration, list[float]] = defaultdict(list)
    for place in chain.from_iterable(ways.values()):
        alike[measurements[place].configuration].append(measurements[place].cost.head_ms)
    return [
        Suspect(place, "head_ms", measured_ms, cell.expected_ms, measured_ms / cell.expected_ms, cause)
        for cell, model in accused
        if (cause := _cause(cell, model, ticks))
        for place in cell.places
        for measured_ms in [measurements[place].cost.head_ms]
        if not (
            cause.startswith(_NO_KNOWN_FAULT) and _agreed(measurements[place], alike[measurements[place].configuration])
        )
    ]


def _agreed(measurement: Measurement, times_ms: Sequence[float]) -> bool:
    """Whether several runs of a configuration took about as long: no accident then, and what they contradict is the model."""
    near = sum(abs(log(measurement.cost.head_ms / other)) < _OFF_UNEXPLAINED for other in times_ms)
    return near >= _NO_ACCIDENT


def _computes(measurement: Measurement) -> bool:
    """Whether there is a head to judge: what a device does for a cloud-only run is to receive and to send, which jitters."""
    return measurement.configuration.cut > 0 and measurement.cost.head_ms > 0


def _fit(measurements: Sequence[Measurement], places: Sequence[int]) -> tuple[HeadTimes, list[_Cell]]:
    items = [measurements[place] for place in places]
    configurations = [item.configuration for item in items]
    up_bytes = [item.cost.up_bytes for item in items]
    measured_ms = np.array([item.cost.head_ms for item in items])
    model = fit_heads(Heads.of(configurations, up_bytes), measured_ms)
    off, deviation = (figures.tolist() for figures in model.without_itself())
    speaking = grouped_places(range(len(model.cells)), lambda cell: _head_of(configurations[model.cells[cell][0]]))
    recorded_ms = [median(items[member].cost.head_ms for member in members) for members in model.cells]
    cells = [
        _Cell(
            places=tuple(places[member] for member in members),
            configuration=configurations[members[0]],
            up_bytes=up_bytes[members[0]],
            recorded_ms=recorded_ms[number],
            expected_ms=recorded_ms[number] / exp(off[number]),
            deviation=deviation[number],
            speaking=len(speaking[_head_of(configurations[members[0]])]),
        )
        for number, members in enumerate(model.cells)
    ]
    return model, cells


def _ticks(cells: Sequence[_Cell]) -> list[float]:
    """Times (ms) that several heads share although other times, well apart, were expected of them, and shorter ones."""
    above = sorted((cell for cell in cells if cell.off > 0), key=lambda cell: cell.recorded_ms)
    runs: list[list[_Cell]] = []
    for cell in above:
        if runs and log(cell.recorded_ms / runs[-1][0].recorded_ms) < _ALIKE / 2:
            runs[-1].append(cell)
        else:
            runs.append([cell])
    return [median(cell.recorded_ms for cell in run) for run in runs if _unrelated(run)]


def _unrelated(run: Sequence[_Cell]) -> bool:
    expected = [cell.expected_ms for cell in run]
    heads = {_head_of(cell.configuration) for cell in run}
    return len(heads) >= _SPEAKING and max(expected) > min(expected) * (1 + FAR_OFF)


def _cause(cell: _Cell, model: HeadTimes, ticks: Sequence[float]) -> str | None:
    """What probably went wrong; None where that is too little to accuse."""
    expected = f"{cell.expected_ms:.0f} ms are expected"
    tick_ms = _tick_of(cell.recorded_ms, ticks)
    if tick_ms is None and abs(cell.off) < FAR_OFF:
        return None
    tick_ms = tick_ms or _later_tick(cell.recorded_ms, ticks)
    if tick_ms is not None:
        clock = "" if cell.off > 0 else ", and at another clock than the label's"
        return f"time sits on a waiting tick ({tick_ms:.0f} ms){clock}: {expected}"
    times_ms = _at_clocks(cell, model)
    khz = min(times_ms, key=lambda khz: abs(log(cell.recorded_ms / times_ms[khz])), default=None)
    if khz is not None and abs(log(cell.recorded_ms / times_ms[khz])) < _ALIKE:
        return f"looks like {khz / 1000:.0f} MHz"
    return f"{_NO_KNOWN_FAULT}: {expected}" if abs(cell.off) > _OFF_UNEXPLAINED else None


def _tick_of(time_ms: float, ticks: Sequence[float]) -> float | None:
    return next((tick for tick in ticks if abs(log(time_ms / tick)) < _ALIKE / 3), None)


def _later_tick(time_ms: float, ticks: Sequence[float]) -> float | None:
    """The tick that a time sits on beyond those that were found, if they go on at the distance of the last two. (Of all
    times one in twenty does by chance.)"""
    if len(ticks) < _SPEAKING or time_ms < ticks[-1]:
        return None
    step_ms = ticks[-1] - ticks[-2]
    if step_ms < _STEP * ticks[-1]:
        return None
    tick_ms = ticks[-1] + step_ms * round((time_ms - ticks[-1]) / step_ms)
    return tick_ms if abs(time_ms - tick_ms) < step_ms / 40 else None


def _at_clocks(cell: _Cell, model: HeadTimes) -> dict[int, float]:
    """What the head would take at each other clock that was measured, by kHz."""
    clocks_khz = sorted({round(ghz * 1e6) for ghz in model.observed.heads.ghz.tolist()} - {cell.configuration.cpu_khz})
    if not clocks_khz:
        return {}
    there = [replace(cell.configuration, cpu_khz=khz) for khz in clocks_khz]
    times_ms, _ = model.predicted(Heads.of(there, [cell.up_bytes] * len(there)))
    return dict(zip(clocks_khz, times_ms.tolist(), strict=True))


def _head_of(configuration: Configuration) -> Hashable:
    return configuration.cut, configuration.codec, configuration.edge_accelerator, configuration.threads
