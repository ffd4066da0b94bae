"""How much what was measured would differ if it were measured once more, told by the configurations that were repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Key = TypeVar("Key")

_USUAL_SD, _USUAL_WEIGHT = 0.01, 2.0
"""Relative scatter where little was repeated, and how many repeated configurations it weighs as much as."""
_SHARED_WEIGHT = 4.0
"""How many repeats of a configuration weigh as much as what the others show."""
_LEAST_SD = 0.001


def scatters(figures: Mapping[Key, Sequence[float]]) -> dict[Key, float]:
    """By configuration the relative standard deviation of one more measurement around the median of these, all above 0.

    A configuration that was repeated often speaks for itself, one that was not takes the usual scatter of the others: the
    geometric mean of theirs, so that a few wild ones do not make all the rest doubtful.
    """
    deviations = {key: _squares(values) for key, values in figures.items()}
    shared = _shared([(squares, len(figures[key]) - 1) for key, squares in deviations.items() if len(figures[key]) > 1])
    return {key: _deviation(deviations[key], len(values), shared) for key, values in figures.items()}


def _squares(values: Sequence[float]) -> float:
    off = np.log(np.asarray(values) / np.median(values))
    return float(off @ off)


def _shared(repeated: Sequence[tuple[float, int]]) -> float:
    """The variance that a configuration is taken to have before its own repeats are looked at."""
    logs = [np.log(max(squares / count, _LEAST_SD**2)) for squares, count in repeated]
    return float(np.exp((sum(logs) + _USUAL_WEIGHT * np.log(_USUAL_SD**2)) / (len(logs) + _USUAL_WEIGHT)))


def _deviation(squares: float, count: int, shared: float) -> float:
    variance = (_SHARED_WEIGHT * shared + squares) / (_SHARED_WEIGHT + count - 1)
    return float(np.sqrt(variance * (1 + 1 / count)))
