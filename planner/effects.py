"""Two-level means: what a row shows, drawn towards what its group shows, drawn towards nothing.

A log ratio of observed to predicted is taken as group effect + row effect + jitter, all normal (a random-effects model;
Gelman et al., Bayesian Data Analysis, chapter 5). So a row that was observed often speaks for itself, one that was
never observed moves with its group, and a group of one row does not pass for a shift of the whole device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.pricing import Floats, Indices

GROUP_SD = 0.005
"""How far a whole group may be off, before anything is known (relative)."""
_GROUP_PRIOR = 8.0
_ROW_PRIOR = 4.0
"""How many observations weigh as much as what jitter is said to be, in its group; and as the group's, in a row."""

_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted observations of each row: how many, their sum, and the sum of their squares. Arrays [n]."""

    count: Floats
    total: Floats
    squares: Floats


@dataclass(frozen=True, eq=False)
class Effects:
    """What to expect of each row's next observation: mean and variance, arrays [n]; `level` is each group's own mean."""

    mean: Floats
    variance: Floats
    level: Floats


def effects(sums: Sums, *, prior_variance: Floats, jitter_sd: Floats, groups: Indices) -> Effects:
    """The posterior of rows [n] that belong to `groups` [n]. `prior_variance` [n] is each row's own, around its group;
    `jitter_sd` [groups] how much a row's observations scatter, before anything is known (relative)."""
    group_count = len(jitter_sd)
    count = sums.count
    seen = np.maximum(count, 1e-9)
    mean = sums.total / seen
    jitter = _jitter(count, np.maximum(sums.squares - sums.total * mean, 0.0), groups, jitter_sd)
    weighed = prior_variance * count + jitter
    precision = count / weighed
    group_precision = GROUP_SD**-2 + np.bincount(groups, precision, group_count)
    level = np.bincount(groups, precision * mean, group_count) / group_precision
    own = prior_variance * precision
    base = level[groups]
    variance = prior_variance * jitter / weighed + (1 - own) ** 2 / group_precision[groups] + jitter
    return Effects(base + own * (mean - base), variance, level)


def _jitter(count: Floats, deviations: Floats, groups: Indices, jitter_sd: Floats) -> Floats:
    """The variance of each row's observations: its own, drawn towards its group's as long as there are few.

    A group's is the geometric mean over its rows, none of which weighs more than the others once it has been seen a few
    times: one row that scatters widely does not make the others untrustworthy."""
    size, weight = len(jitter_sd), np.minimum(count, _ROW_PRIOR)
    own = np.log(np.maximum(deviations / np.maximum(count, 1.0), _LEAST_VARIANCE))
    pooled = np.bincount(groups, weight * own, size) + _GROUP_PRIOR * np.log(jitter_sd**2)
    pooled /= np.bincount(groups, weight, size) + _GROUP_PRIOR
    return np.asarray((_ROW_PRIOR * np.exp(pooled)[groups] + deviations) / (_ROW_PRIOR + count))
