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

import numpy as np

from planner import gaussian
from planner.gaussian import Fitted, Variances
from planner.pricing import Flags, Floats
from protocol.configuration import Codec, Configuration, EdgeAccelerator

_ROUNDS, _MANY = 6, 150
_AGREE = 0.02
"""Repeats that are closer than this (in the logarithm) are one cell."""
_PRIOR_STRETCH = 0.85
"""The share of a head that the clock stretches, before anything is known: between memory (0) and arithmetic (1)."""
_LEAST_SHARE = 0.02
_FIXED = {0: 4.0, 5: 0.2}
_START = Variances((4.0, 1e-2, 1e-3, 1e-2, 1e-2, 0.2, 1e-3, 1e-3, 1e-5), 1e-4)
_LEVELS, _STRETCHES, _ALL = slice(0, 5), slice(5, 9), slice(0, 9)
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

    def at(self, places: Sequence[int]) -> Heads:
        return Heads(*(getattr(self, name)[places] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class _Expanded:
    """Heads and the point at which their logarithm is expanded: R, b and d, and what follows from them."""

    heads: Heads
    level_ms: Floats
    stretch: Floats
    clock: Floats
    slowdown: Floats

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
        points = self._expanded(heads)
        correlations = self._correlations(points, self.observed)
        alone = self._own(points)
        return points.level_ms * points.stretched, self.fitted.deviation(correlations, alone)

    def without_itself(self) -> tuple[Floats, Floats]:
        """For each cell: log of measured / expected from all others, and the standard deviation that this should have."""
        return self.fitted.without_itself

    def _expanded(self, heads: Heads) -> _Expanded:
        """The heads with what the fit says of them."""
        slowdown = self.reference_ghz / heads.ghz - 1
        unknown = np.zeros_like(slowdown)
        start = _Expanded(heads, unknown + 1, unknown, unknown, slowdown)
        placed = replace(start, level_ms=np.exp(self.centre + sum(self._latent(start, _LEVELS))))
        *stretch, clock = self._latent(placed, _STRETCHES)
        return replace(placed, stretch=np.clip(_PRIOR_STRETCH + sum(stretch), -0.2, 2.0), clock=clock * (slowdown != 0))

    def _latent(self, points: _Expanded, effects: slice) -> list[Floats]:
        """Each of these effects at points."""
        raw = self._raw(_column(points), _row(self.observed), effects)
        slopes, variances = self.observed.slopes[effects], self.fitted.variances.effects[effects]
        return [
            variance * (matrix @ (slope * self.fitted.pull))
            for matrix, slope, variance in zip(raw, slopes, variances, strict=True)
        ]

    def _correlations(self, points: _Expanded, others: _Expanded) -> list[Floats]:
        raw = self._raw(_column(points), _row(others), _ALL)
        return [
            matrix * mine[:, None] * theirs[None, :]
            for matrix, mine, theirs in zip(raw, points.slopes, others.slopes, strict=True)
        ]

    def _own(self, points: _Expanded) -> list[Floats]:
        return [raw * slope**2 for raw, slope in zip(self._raw(points, points, _ALL), points.slopes, strict=True)]

    def _raw(self, one: _Expanded, other: _Expanded, effects: slice) -> list[Floats]:
        """How alike these effects are; shapes broadcast. Levels come first, and know nothing of `level_ms`."""
        a, b = one.heads, other.heads
        with_tpu = (a.accelerator > 0) & (b.accelerator > 0)
        sent = a.kbytes * b.kbytes / self.most_kbytes**2
        ones = np.ones(np.broadcast(a.cut, b.cut).shape)
        found: list[Floats] = []
        if effects.start == 0:
            same_cut, same_tpu = (a.cut == b.cut) & (a.codec == b.codec), a.accelerator == b.accelerator
            near = np.minimum(a.cut, b.cut) / self.last_cut + same_cut * 0.05
            found += [ones, near, (same_cut & same_tpu) * 1.0, sent * with_tpu, (with_tpu & same_tpu) * 1.0]
        if effects.stop == _ALL.stop:
            scale = float(np.exp(self.centre))
            longest = np.maximum(np.maximum(one.level_ms, other.level_ms) / scale, _LEAST_SHARE)
            carried = 1 / np.maximum(one.level_ms * other.level_ms / scale**2, _LEAST_SHARE**2)
            found += [ones, 1 / longest, carried * (0.3 + sent) * with_tpu, (a.ghz == b.ghz) * 1.0]
        return found


def fit_heads(heads: Heads, measured_ms: Floats) -> HeadTimes:
    """The heads of one way to compute. All times are above 0; there is at least one."""
    cells = _cells(heads, measured_ms)
    heads, blur = heads.at([cell[0] for cell in cells]), np.array([1 / len(cell) for cell in cells])
    log_ms = np.array([np.median(np.log(measured_ms[cell])) for cell in cells])
    model = _start(heads, log_ms, blur)
    many = len(cells) > _MANY
    for number in range(_ROUNDS - 1 if many else _ROUNDS):
        points = model._expanded(heads) if number else model.observed
        model = _again(replace(model, observed=points), log_ms, learn=number == 1 or (number == 3 and not many))
    return replace(model, cells=tuple(tuple(cell) for cell in cells))


def _cells(heads: Heads, measured_ms: Floats) -> list[list[int]]:
    """Which measurements are of one head at one clock and agree; one that does not agree with them has a cell of its own."""
    seen: dict[tuple[float, ...], list[list[int]]] = defaultdict(list)
    columns = (heads.cut, heads.codec, heads.accelerator, heads.ghz)
    for place, key in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        agreeing = [cell for cell in seen[key] if abs(np.log(measured_ms[place] / measured_ms[cell[0]])) < _AGREE]
        if agreeing:
            agreeing[0].append(place)
        else:
            seen[key].append([place])
    return [cell for cells in seen.values() for cell in cells]


def _start(heads: Heads, log_ms: Floats, blur: Floats) -> HeadTimes:
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
        fitted=Fitted(_START, np.eye(count), nothing, nothing + 1, blur, 1.0),
        doubted=_doubted(heads),
        cells=(),
    )


def _again(model: HeadTimes, log_ms: Floats, *, learn: bool) -> HeadTimes:
    """The model expanded at what it says of the heads that were measured, and fitted there."""
    points = model.observed
    target = log_ms - model.centre - points.offset
    correlations = model._correlations(points, points)
    variances = model.fitted.variances
    if learn:
        variances = gaussian.learned(target, correlations, fixed=_FIXED, blur=model.fitted.blur / model.fitted.weights)
    fitted = gaussian.fitted(
        target, correlations, variances, weights=model.fitted.weights, doubted=model.doubted, rounds=2
    )
    return replace(model, fitted=fitted)


def _doubted(heads: Heads) -> Flags:
    """Which were measured at another clock or time as well: what was measured once, nothing speaks against."""
    keys = list(zip(heads.cut.tolist(), heads.codec.tolist(), heads.accelerator.tolist(), strict=True))
    seen = Counter(keys)
    return np.array([seen[key] > 1 for key in keys])


def _column(points: _Expanded) -> _Expanded:
    return _shaped(points, (-1, 1))


def _row(points: _Expanded) -> _Expanded:
    return _shaped(points, (1, -1))


def _shaped(points: _Expanded, shape: tuple[int, int]) -> _Expanded:
    heads = Heads(*(getattr(points.heads, name).reshape(shape) for name in Heads.__dataclass_fields__))
    rest = (getattr(points, name).reshape(shape) for name in ("level_ms", "stretch", "clock", "slowdown"))
    return _Expanded(heads, *rest)
