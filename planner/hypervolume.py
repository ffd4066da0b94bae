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
    point. InvalidInput for other shapes, and for a figure that is not finite.
    """
    corner = np.asarray(reference, dtype=np.float64)
    if corner.shape != (2,):
        raise InvalidInput(f"hypervolume: the reference must be a pair of figures, not of shape {corner.shape}")
    (corner,) = _checked(corner[None])
    found = _checked(points, least=0)
    inside = found[(found < corner).all(axis=1)]
    if not len(inside):
        return 0.0
    first, second = inside[np.lexsort(inside.T[::-1])].T
    lowest = np.minimum.accumulate(second)
    above = np.concatenate(([corner[1]], lowest[:-1]))
    return float(((corner[0] - first) * (above - lowest)).sum())


def improvements(candidates: Floats, *, front: Floats, reference: Floats) -> Floats:
    """By how much the hypervolume of `front` [k, 2] would grow with each of `candidates` [..., 2] alone: an array [...].

    Between two neighbours on the front a candidate adds a rectangle: from where it begins, or the strip does, to the
    strip's end, and up to the neighbour's height.
    """
    inside = front[(front < reference).all(axis=1)]
    first, second = inside[np.lexsort(inside.T[::-1])].T if len(inside) else np.empty((2, 0))
    ends = np.concatenate((first, reference[:1]))
    heights = np.concatenate((reference[1:], np.minimum.accumulate(second)))
    grown = np.zeros(candidates.shape[:-1])
    begin = -np.inf
    for end, height in zip(ends, heights, strict=True):
        width = end - np.maximum(candidates[..., 0], begin)
        grown += np.maximum(width, 0.0) * np.maximum(height - candidates[..., 1], 0.0)
        begin = end
    return grown


def _checked(points: npt.ArrayLike, *, least: int = 1) -> Floats:
    found = np.asarray(points, dtype=np.float64)
    if found.size == 0 and least == 0:
        return found.reshape(0, 2)
    if found.ndim != 2 or found.shape[1] != 2 or len(found) < least:
        raise InvalidInput(f"hypervolume: points must be pairs of two figures, not of shape {found.shape}")
    if not np.isfinite(found).all():
        raise InvalidInput("hypervolume: a figure is not finite; leave out what was not measured")
    return found
