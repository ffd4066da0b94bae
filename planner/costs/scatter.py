"""How much what was measured would differ if it were measured once more, told by the configurations that were repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from protocol.configuration import Configuration

_USUAL_SD, _USUAL_WEIGHT = 0.01, 2.0
"""Relative scatter where little was repeated, and how many repeated configurations it weighs as much as."""
_SHARED_WEIGHT = 4.0
"""How many repeats of a configuration weigh as much as what the others show."""
_LEAST_SD = 0.001


@dataclass(frozen=True)
class Scatter:
    """Relative standard deviations of one more measurement around the median of what there is.

    `own`: of the configurations that were repeated; `once`: of those that were not. A configuration that was repeated
    often speaks for itself, the others take after it: by the geometric mean, so that a few wild ones do not make all
    the rest doubtful.
    """

    own: Mapping[Configuration, float]
    once: float

    @classmethod
    def of(cls, figures: Mapping[Configuration, Sequence[float]]) -> Scatter:
        """From all that was measured of each configuration, each figure above 0."""
        repeated = {key: (_squares(values), len(values)) for key, values in figures.items() if len(values) > 1}
        shared = _shared(list(repeated.values()))
        own = {key: _deviation(squares, count, shared) for key, (squares, count) in repeated.items()}
        return cls(own, _deviation(0.0, 1, shared))


def _squares(values: Sequence[float]) -> float:
    off = np.log(np.asarray(values) / np.median(values))
    return float(off @ off)


def _shared(repeated: Sequence[tuple[float, int]]) -> float:
    """The variance that a configuration is taken to have before its own repeats are looked at."""
    logs = [np.log(max(squares / (count - 1), _LEAST_SD**2)) for squares, count in repeated]
    return float(np.exp((sum(logs) + _USUAL_WEIGHT * np.log(_USUAL_SD**2)) / (len(logs) + _USUAL_WEIGHT)))


def _deviation(squares: float, count: int, shared: float) -> float:
    variance = (_SHARED_WEIGHT * shared + squares) / (_SHARED_WEIGHT + count - 1)
    return float(np.sqrt(variance * (1 + 1 / count)))
