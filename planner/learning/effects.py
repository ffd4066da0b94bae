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
"""How far a whole group is off as long as nothing speaks for more (relative): the table was measured on this device."""
_GROUP_PRIOR = 8.0
_ROW_PRIOR = 4.0
"""How many observations weigh as much as what jitter is said to be, in its group; and as the group's, in a row."""

_SEVERAL, _CONVINCING_SD, _SHARED_ERROR = 2.5, 4.0, 0.06
"""How many rows, by how many standard deviations, and more than what predictions of many rows may be off alike."""
_LEAST_VARIANCE = 1e-6
_LEAST_COUNT = 1e-3
"""Below it a row counts as never seen: all that was seen of it has been forgotten."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted observations of each row: how many, their sum, and the sum of their squares. Arrays [n]."""

    count: Floats
    total: Floats
    squares: Floats

    @classmethod
    def nothing(cls, rows: int) -> Sums:
        return cls(*np.zeros((3, rows)))

    def after(self, rows: Indices, values: Floats, *, requests: int, half_life: float) -> Sums:
        """With what so many requests showed: `values` [m] of `rows` [m]. An observation weighs half after `half_life`
        requests; those that come together weigh as if each had come in the middle of them."""
        size, keep = len(self.count), 0.5 ** (1 / half_life)
        fade = keep**requests
        weight = (1 - fade) / (requests * (1 - keep))
        return Sums(
            self.count * fade + weight * np.bincount(rows, minlength=size),
            self.total * fade + weight * np.bincount(rows, values, size),
            self.squares * fade + weight * np.bincount(rows, values**2, size),
        )


@dataclass(frozen=True, eq=False)
class Effects:
    """What to expect of each row's next observation: mean and variance, arrays [n], and `doubt`, the part of the variance
    that further observations would take away. `level` is each group's own mean."""

    mean: Floats
    variance: Floats
    doubt: Floats
    level: Floats


def effects(sums: Sums, *, prior_variance: Floats, jitter_sd: Floats, groups: Indices) -> Effects:
    """The posterior of rows [n] that belong to `groups` [n]. `prior_variance` [n] is each row's own, around its group;
    `jitter_sd` [groups] how much a row's observations scatter, before anything is known (relative)."""
    size, seen = len(jitter_sd), np.flatnonzero(sums.count > _LEAST_COUNT)
    count, group, prior = sums.count[seen], groups[seen], prior_variance[seen]
    mean = sums.total[seen] / count
    deviations = np.maximum(sums.squares[seen] - sums.total[seen] * mean, 0.0)
    pooled = _pooled_jitter(count, deviations, group, jitter_sd)
    jitter = (_ROW_PRIOR * pooled[group] + deviations) / (_ROW_PRIOR + count)
    weighed = prior * count + jitter
    precision = count / weighed
    level, group_variance = _levels(precision, mean, group, size)
    own = prior * precision
    expected = level[groups]
    expected[seen] += own * (mean - level[group])
    doubt, scatter = prior_variance + group_variance[groups], pooled[groups]
    doubt[seen] = prior * jitter / weighed + (1 - own) ** 2 * group_variance[group]
    scatter[seen] = jitter
    return Effects(expected, doubt + scatter, doubt, level)


def _levels(precision: Floats, mean: Floats, groups: Indices, size: int) -> tuple[Floats, Floats]:
    """Mean and variance of each group, from its rows' means and how precisely they tell of it.

    A group is thought to be where it was predicted unless several rows agree that it is not, by far more than their own
    uncertainty and their differences: then its prior is as wide as they say (an empirical Bayes estimate of its variance).
    Several, since one row may have been predicted wrongly; by far, since rows are chosen for what was predicted of them:
    those that are seen are more often worse than predicted than better."""
    total = np.bincount(groups, precision, size) + 1e-9
    weighed = np.bincount(groups, precision * mean, size)
    raw = weighed / total
    squares = np.bincount(groups, precision**2, size)
    differences = np.bincount(groups, precision**2 * (mean - raw[groups]) ** 2, size)
    several = total**2 > _SEVERAL * squares
    doubt = np.maximum(_CONVINCING_SD**2 * np.maximum(1 / total, differences / total**2), _SHARED_ERROR**2)
    shift = several * (raw**2 - doubt)
    variance = 1 / (1 / np.maximum(shift, GROUP_SD**2) + total)
    return np.where(shift > 0, weighed * variance, 0.0), variance


def _pooled_jitter(count: Floats, deviations: Floats, groups: Indices, jitter_sd: Floats) -> Floats:
    """The variance of a row's observations in each group: the geometric mean over its rows, none of which weighs more than
    the others once it has been seen a few times. One row that scatters widely does not make the others untrustworthy."""
    size, weight = len(jitter_sd), np.minimum(count, _ROW_PRIOR)
    own = np.log(np.maximum(deviations / np.maximum(count, 1.0), _LEAST_VARIANCE))
    pooled = np.bincount(groups, weight * own, size) + _GROUP_PRIOR * np.log(jitter_sd**2)
    pooled /= np.bincount(groups, weight, size) + _GROUP_PRIOR
    return np.exp(pooled)
