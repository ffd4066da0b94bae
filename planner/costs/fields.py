"""Figures that are no times of heads: watts of a head, watts while waiting, time and watts of a tail.

Each is a `Field`: its logarithm is a sum of effects (see `gaussian`) over configurations. Which ones, the functions
named after the figures say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.costs import gaussian
from planner.costs.gaussian import Fitted
from planner.pricing import Flags, Floats
from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator

_EDGE, _CLOUD, _CODECS = tuple(EdgeAccelerator), tuple(CloudAccelerator), tuple(Codec)


@dataclass(frozen=True, eq=False)
class Columns:
    """Configurations as columns: arrays of one shape. `cut` is counted from 0 to 1, the highest one."""

    cut: Floats
    ghz: Floats
    edge: Floats
    cloud: Floats
    codec: Floats
    threads: Floats

    @classmethod
    def of(cls, configurations: Sequence[Configuration], *, last: int) -> Columns:
        figures = [
            (
                item.cut / max(last, 1),
                item.cpu_khz / 1e6,
                _EDGE.index(item.edge_accelerator),
                _CLOUD.index(item.cloud_accelerator),
                _CODECS.index(item.codec),
                item.threads,
            )
            for item in configurations
        ]
        return cls(*np.array(figures, dtype=np.float64).reshape(-1, 6).T)

    def shaped(self, *shape: int) -> Columns:
        return Columns(*(getattr(self, name).reshape(shape) for name in self.__dataclass_fields__))

    def same(self, other: Columns, *names: str) -> Flags:
        """Where all of these are the same; shapes broadcast."""
        found = np.ones(np.broadcast(self.cut, other.cut).shape, dtype=np.bool_)
        for name in names:
            found &= getattr(self, name) == getattr(other, name)
        return found


Effects = Callable[[Columns, Columns], list[Floats]]
"""How alike each effect is for two configurations; the first effect is what all have in common, its variance is given."""

_FLAT = 4.0


def of_waiting(one: Columns, other: Columns) -> list[Floats]:
    """Of the watts while the device waits for the cloud: clock, and what is plugged in."""
    return [
        _as_floats(one.same(other)),
        _as_floats(one.same(other) & (one.edge > 0) & (other.edge > 0)),
        (one.ghz - 1) * (other.ghz - 1),
        _as_floats(one.same(other, "ghz")),
        _as_floats(one.same(other, "edge", "ghz")),
    ]


def of_head_watts(one: Columns, other: Columns) -> list[Floats]:
    """Of the watts of a head: clock and way to compute, and a little of the cut."""
    mode = one.same(other, "edge", "threads")
    return [
        _as_floats(one.same(other)),
        _as_floats(mode),
        (one.ghz - 1) * (other.ghz - 1),
        _as_floats(one.same(other, "ghz")),
        _as_floats(mode & (one.ghz == other.ghz)),
        _as_floats(mode & one.same(other, "cut", "codec")),
    ]


def of_tails(one: Columns, other: Columns) -> list[Floats]:
    """Of a tail's time or watts: by cloud accelerator, alike for cuts that are close."""
    cloud = one.same(other, "cloud")
    near = np.minimum(one.cut, other.cut)
    return [
        _as_floats(cloud),
        near * _as_floats(cloud),
        _as_floats(one.same(other, "cut")),
        _as_floats(one.same(other, "cloud", "cut")),
        _as_floats(one.same(other, "cloud", "codec")),
        _as_floats(one.same(other, "cloud", "cut", "codec")),
    ]


@dataclass(frozen=True, eq=False)
class Field:
    """A figure over the configurations; 0 everywhere, and certain, where nothing but 0 was measured."""

    effects: Effects
    last: int
    centre: float
    observed: Columns | None
    fitted: Fitted | None

    @classmethod
    def of(
        cls,
        effects: Effects,
        configurations: Sequence[Configuration],
        figures: Floats,
        *,
        last: int,
        blur: Floats,
        noise: float | None = None,
        doubted: Flags | None = None,
    ) -> Field:
        """From a figure for each configuration (one may occur often); those that are not above 0 are left out.

        `blur`: how many times the usual variance each of them has. `noise`: that variance where it is known.
        `doubted`: which may be wrong; None: none.
        """
        known = np.flatnonzero(figures > 0).tolist()
        if not len(known):
            return cls(effects, last, 0.0, None, None)
        observed = Columns.of([configurations[place] for place in known], last=last)
        logs = np.log(figures[known])
        centre = float(np.median(logs))
        correlations = effects(observed.shaped(-1, 1), observed.shaped(1, -1))
        questioned = np.zeros(len(known), dtype=np.bool_) if doubted is None else doubted[known]
        off, blur, kept = logs - centre, blur[known], gaussian.some(len(known))
        variances = gaussian.learned(
            off[kept],
            [matrix[np.ix_(kept, kept)] for matrix in correlations],
            fixed={0: _FLAT},
            blur=blur[kept],
            noise=noise,
            doubt=doubted is not None,
        )
        covariance = gaussian.weighted(variances.effects, correlations)
        fitted = gaussian.fitted(off, covariance, variances, blur=blur, doubted=questioned)
        return cls(effects, last, centre, observed, fitted)

    def predicted(self, configurations: Sequence[Configuration]) -> tuple[Floats, Floats]:
        """The figure, and the relative standard deviation of what one more measurement would say."""
        if self.fitted is None or self.observed is None:
            return np.zeros(len(configurations)), np.zeros(len(configurations))
        points = Columns.of(configurations, last=self.last)
        variances = self.fitted.variances.effects
        covariance = gaussian.weighted(variances, self.effects(points.shaped(-1, 1), self.observed.shaped(1, -1)))
        own = gaussian.weighted(variances, self.effects(points, points))
        return np.exp(self.centre + self.fitted.mean(covariance)), self.fitted.deviation(covariance, own)


def _as_floats(flags: Flags) -> Floats:
    return flags.astype(np.float64)
