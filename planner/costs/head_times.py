"""How long a head takes: at clocks and cuts where it was measured, and where it was not.

At clock f a head takes h(f) = R (1 + b (F/f - 1) + d(f)): R at the reference clock F, b the share of it that the clock
stretches (the rest is memory, or the Edge TPU's own time), d what a clock does to all heads alike. log R, b and d
are random effects. Without TPU b of a head is the mean over its work, so b R is Brownian over R: between two heads of
which b is known it runs straight, as operators add up. With TPU what is left to the CPU is mostly to carry tensors, so
that b has parts that go with 1/R and bytes/R. Levels of heads that were never measured come from those of their
neighbours and, with TPU, from the bytes that leave and from the other TPU clock. The logarithm of h is expanded at the last
estimate, a few times over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from statistics import median

import numpy as np

from planner.costs import gaussian
from planner.costs.gaussian import Fitted, Variances
from planner.pricing import Flags, Floats, Indices
from protocol.configuration import Codec, Configuration, EdgeAccelerator

_ROUNDS, _MANY = 6, 150
_AGREE = 0.02
"""Repeats that are closer than this (in the logarithm) are one cell."""
_PRIOR_STRETCH = 0.85
"""The share of a head that the clock stretches, before anything is known: between memory (0) and arithmetic (1)."""
_LEAST_SHARE = 0.02
_MEDIAN_OFF = 0.6745
"""Half of what is normal lies within so many standard deviations."""
_FIXED = {0: 4.0, 5: 0.2}
_START = Variances((4.0, 1e-2, 1e-3, 1e-2, 1e-2, 0.2, 1e-3, 1e-3, 1e-5), 1e-4)
_LEVELS, _STRETCHES = slice(0, 5), slice(5, 9)
_ACCELERATORS, _CODECS = tuple(EdgeAccelerator), tuple(Codec)


@dataclass(frozen=True, eq=False)
class Heads:
    """Columns, one figure a head, in arrays of one shape. `kbytes`: what leaves it, in thousands."""

    cut: Floats
    codec: Floats
    accelerator: Floats
    ghz: Floats
    kbytes: Floats

    @classmethod
    def of(cls, configurations: Sequence[Configuration], up_bytes: Sequence[float]) -> Heads:
        figures = [
            (
                item.cut,
                _CODECS.index(item.codec),
                _ACCELERATORS.index(item.edge_accelerator),
                item.cpu_khz / 1e6,
                sent / 1e3,
            )
            for item, sent in zip(configurations, up_bytes, strict=True)
        ]
        return cls(*np.array(figures, dtype=np.float64).reshape(-1, 5).T)

    def at(self, places: Sequence[int] | Indices) -> Heads:
        return Heads(*(getattr(self, name)[places] for name in self.__dataclass_fields__))

    def shaped(self, *shape: int) -> Heads:
        return Heads(*(getattr(self, name).reshape(shape) for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class _Expanded:
    """Heads and the point at which their logarithm is expanded: R, b and d, and what follows from them."""

    heads: Heads
    level_ms: Floats
    stretch: Floats
    clock: Floats
    slowdown: Floats

    def at(self, places: Indices) -> _Expanded:
        return _Expanded(self.heads.at(places), *(column[places] for column in self._columns))

    def shaped(self, *shape: int) -> _Expanded:
        return _Expanded(self.heads.shaped(*shape), *(column.reshape(shape) for column in self._columns))

    @property
    def _columns(self) -> tuple[Floats, ...]:
        return self.level_ms, self.stretch, self.clock, self.slowdown

    @property
    def stretched(self) -> Floats:
        """h / R."""
        found: Floats = np.maximum(1 + self.slowdown * self.stretch + self.clock, 0.05)
        return found

    @property
    def slopes(self) -> list[Floats]:
        """What log h gains with each effect."""
        ones, per_stretch = np.ones_like(self.level_ms), self.slowdown / self.stretched
        return [ones] * 5 + [per_stretch] * 3 + [(self.slowdown != 0) / self.stretched]

    @property
    def offset(self) -> Floats:
        """log h less all that its effects give in the expansion, with the level and the stretch that are expected."""
        slopes = self.slopes
        found: Floats = (
            np.log(self.stretched) - slopes[5] * (self.stretch - _PRIOR_STRETCH) - self.clock / self.stretched
        )
        return found


@dataclass(frozen=True, eq=False)
class HeadTimes:
    """What `fit` learned of the heads of one way to compute (with or without TPU, threads)."""

    reference_ghz: float
    centre: float
    last_cut: float
    most_kbytes: float
    observed: _Expanded
    fitted: Fitted
    doubted: Flags
    cells: tuple[tuple[int, ...], ...]
    """Which measurements each observation of the fit stands for."""

    def predicted(self, heads: Heads) -> tuple[Floats, Floats]:
        """Times in ms, and the relative standard deviation of what one more measurement would say."""
        levels = self._levels(heads, self.observed.heads)
        points = self._expanded(heads, levels)
        covariance = self._covariance(points, self.observed, levels)
        own = gaussian.weighted(self.fitted.variances.effects, self._own(points))
        return points.level_ms * points.stretched, self.fitted.deviation(covariance, own)

    def without_itself(self) -> tuple[Floats, Floats]:
        """For each cell: log of measured / expected from all others, and the standard deviation that this should have: no less
        than what half of them keep to. Noise is underestimated where it is learned with doubt of who is far off."""
        off, deviation = self.fitted.without_itself
        return off, deviation * max(float(np.median(np.abs(off) / deviation)) / _MEDIAN_OFF, 1.0)

    def _expanded(self, heads: Heads, levels: Floats) -> _Expanded:
        """The heads with what the fit says of them; `levels`: how their levels vary with those that were measured."""
        slowdown = self.reference_ghz / heads.ghz - 1
        unknown = np.zeros_like(slowdown)
        level_ms = np.exp(self.centre + levels @ self.fitted.pull)
        placed = _Expanded(heads, level_ms, unknown, unknown, slowdown)
        stretches, clocks = self._stretches(placed, self.observed)
        per_stretch, per_clock = self.observed.slopes[_STRETCHES][0], self.observed.slopes[_STRETCHES][-1]
        stretch = _PRIOR_STRETCH + stretches @ (per_stretch * self.fitted.pull)
        clock = clocks @ (per_clock * self.fitted.pull) * (slowdown != 0)
        return replace(placed, stretch=np.clip(stretch, -0.2, 2.0), clock=clock)

    def _levels(self, heads: Heads, others: Heads) -> Floats:
        """The covariance of the levels of heads [heads, others]."""
        raw = self._raw_levels(heads.shaped(-1, 1), others.shaped(1, -1))
        return gaussian.weighted(self.fitted.variances.effects[_LEVELS], raw)

    def _stretches(self, points: _Expanded, others: _Expanded) -> tuple[Floats, Floats]:
        """The covariance of how the clock stretches heads, and of what it does to all alike [points, others]."""
        *raw, clocks = self._raw_stretches(_column(points), _row(others))
        *variances, of_clocks = self.fitted.variances.effects[_STRETCHES]
        return gaussian.weighted(variances, raw), of_clocks * clocks

    def _covariance(self, points: _Expanded, others: _Expanded, levels: Floats) -> Floats:
        """Of the logarithms of times, given that of the levels."""
        found = levels
        for matrix, place in zip(self._stretches(points, others), (_STRETCHES.start, -1), strict=True):
            found = found + matrix * points.slopes[place][:, None] * others.slopes[place]
        return found

    def _correlations(self, points: _Expanded) -> list[Floats]:
        """Of each effect alone, among these points."""
        one, other = _column(points), _row(points)
        raw = [*self._raw_levels(one.heads, other.heads), *self._raw_stretches(one, other)]
        return [matrix * slope[:, None] * slope for matrix, slope in zip(raw, points.slopes, strict=True)]

    def _own(self, points: _Expanded) -> list[Floats]:
        """The variance of each effect at each point, in units of what was learned."""
        raw = [*self._raw_levels(points.heads, points.heads), *self._raw_stretches(points, points)]
        return [one * slope**2 for one, slope in zip(raw, points.slopes, strict=True)]

    def _raw_levels(self, one: Heads, other: Heads) -> list[Floats]:
        """How alike levels are; shapes broadcast."""
        same_cut, same_tpu = (one.cut == other.cut) & (one.codec == other.codec), one.accelerator == other.accelerator
        with_tpu = (one.accelerator > 0) & (other.accelerator > 0)
        near = np.minimum(one.cut, other.cut) / self.last_cut + same_cut * 0.05
        together = self._sent(one, other) * with_tpu
        return [np.ones_like(near), near, (same_cut & same_tpu) * 1.0, together, (with_tpu & same_tpu) * 1.0]

    def _raw_stretches(self, one: _Expanded, other: _Expanded) -> list[Floats]:
        """How alike the ways are in which the clock stretches heads; shapes broadcast."""
        scale, a, b = float(np.exp(self.centre)), one.heads, other.heads
        with_tpu = (a.accelerator > 0) & (b.accelerator > 0)
        this, that = (np.maximum(head.level_ms / scale, _LEAST_SHARE) for head in (one, other))
        longest = np.maximum(this, that)
        carried = (0.3 + self._sent(a, b)) / (this * that)
        return [np.ones_like(longest), 1 / longest, carried * with_tpu, (a.ghz == b.ghz) * 1.0]

    def _sent(self, one: Heads, other: Heads) -> Floats:
        return one.kbytes / self.most_kbytes * (other.kbytes / self.most_kbytes)


def fit_heads(heads: Heads, measured_ms: Floats) -> HeadTimes:
    """The heads of one way to compute. All times are above 0; there is at least one."""
    cells = _cells(heads, measured_ms)
    heads = heads.at([cell[0] for cell in cells])
    logs = np.log(measured_ms).tolist()
    log_ms = np.array([median(logs[place] for place in cell) for cell in cells])
    model = _start(heads, log_ms)
    many = len(cells) > _MANY
    levels = model._levels(heads, heads)
    for number in range(_ROUNDS - 1 if many else _ROUNDS):
        points = model._expanded(heads, levels) if number else model.observed
        model = replace(model, observed=points)
        if number == 1 or (number == 3 and not many):
            model = _learned(model, log_ms)
            levels = model._levels(heads, heads)
        model = _again(model, log_ms, levels)
    return replace(model, cells=tuple(tuple(cell) for cell in cells))


def _cells(heads: Heads, measured_ms: Floats) -> list[list[int]]:
    """Which measurements are of one head at one clock and agree; one that does not agree with them has a cell of its own."""
    seen: dict[tuple[float, ...], list[list[int]]] = defaultdict(list)
    columns = (heads.cut, heads.codec, heads.accelerator, heads.ghz)
    times_ms = measured_ms.tolist()
    for place, key in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        agreeing = [cell for cell in seen[key] if abs(log(times_ms[place] / times_ms[cell[0]])) < _AGREE]
        if agreeing:
            agreeing[0].append(place)
        else:
            seen[key].append([place])
    return [cell for cells in seen.values() for cell in cells]


def _start(heads: Heads, log_ms: Floats) -> HeadTimes:
    clocks = Counter(heads.ghz.tolist())
    reference_ghz = max(clocks, key=lambda ghz: (clocks[ghz], ghz))
    slowdown = reference_ghz / heads.ghz - 1
    level_ms = np.exp(log_ms) / (1 + slowdown * _PRIOR_STRETCH)
    nothing, count = np.zeros(len(log_ms)), len(log_ms)
    return HeadTimes(
        reference_ghz=reference_ghz,
        centre=float(np.median(np.log(level_ms))),
        last_cut=max(float(heads.cut.max()), 1.0),
        most_kbytes=max(float(heads.kbytes.max()), 1e-3),
        observed=_Expanded(heads, level_ms, nothing + _PRIOR_STRETCH, nothing, slowdown),
        fitted=Fitted(_START, np.eye(count), nothing, nothing + 1, nothing + 1, 1.0),
        doubted=_doubted(heads),
        cells=(),
    )


def _learned(model: HeadTimes, log_ms: Floats) -> HeadTimes:
    """The model with other variances, learned where it is expanded."""
    kept = gaussian.some(len(log_ms))
    variances = gaussian.learned(
        _target(model, log_ms)[kept],
        model._correlations(model.observed.at(kept)),
        fixed=_FIXED,
        blur=1 / model.fitted.weights[kept],
    )
    return replace(model, fitted=replace(model.fitted, variances=variances))


def _again(model: HeadTimes, log_ms: Floats, levels: Floats) -> HeadTimes:
    """The model fitted where it is expanded."""
    before, points = model.fitted, model.observed
    fitted = gaussian.fitted(
        _target(model, log_ms),
        model._covariance(points, points, levels),
        before.variances,
        weights=before.weights,
        doubted=model.doubted,
        rounds=2,
    )
    return replace(model, fitted=fitted)


def _target(model: HeadTimes, log_ms: Floats) -> Floats:
    return log_ms - model.centre - model.observed.offset


def _doubted(heads: Heads) -> Flags:
    """Which were measured at another clock or time as well: what was measured once, nothing speaks against."""
    keys = list(zip(heads.cut.tolist(), heads.codec.tolist(), heads.accelerator.tolist(), strict=True))
    seen = Counter(keys)
    return np.array([seen[key] > 1 for key in keys])


def _column(points: _Expanded) -> _Expanded:
    return points.shaped(-1, 1)


def _row(points: _Expanded) -> _Expanded:
    return points.shaped(1, -1)
