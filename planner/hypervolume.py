"""How good a front is: the area of latency and energy that its points dominate.

The hypervolume indicator of Zitzler and Thiele (1998), for two figures that shall be low.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from planner.pricing import Floats
from protocol.errors import InvalidInput

BEYOND = 1.1
"""How far beyond the worst figure of each axis the reference point lies."""


def reference_point(points: npt.ArrayLike) -> Floats:
    """The corner from which areas are measured: on each axis 1.1 times the largest figure of points [n, 2], n >= 1."""
    corner: Floats = BEYOND * _checked(points).max(axis=0)
    return corner


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """The area that points [n, 2] dominate up to the reference point [2], in the product of the axes' units.

    Exact, in O(n log n). Points that are not below the reference on both axes add nothing; neither does a dominated
    point. InvalidInput for a figure that is not finite.
    """
    corner = _checked(np.atleast_2d(np.asarray(reference, dtype=np.float64)))[0]
    found = _checked(points, least=0)
    inside = found[(found < corner).all(axis=1)]
    if not len(inside):
        return 0.0
    first, second = inside[np.lexsort(inside.T[::-1])].T
    lowest = np.minimum.accumulate(second)
    above = np.concatenate(([corner[1]], lowest[:-1]))
    return float(((corner[0] - first) * (above - lowest)).sum())


def _checked(points: npt.ArrayLike, *, least: int = 1) -> Floats:
    found = np.asarray(points, dtype=np.float64)
    if found.size == 0 and least == 0:
        return found.reshape(0, 2)
    if found.ndim != 2 or found.shape[1] != 2 or len(found) < least:
        raise InvalidInput(f"hypervolume: points must be pairs of two figures, not of shape {found.shape}")
    if not np.isfinite(found).all():
        raise InvalidInput("hypervolume: a figure is not finite; leave out what was not measured")
    return found
