"""A device's energy, recorded as one total, told apart: what the head took, and what was spent waiting for the cloud.

In each group (same clock, same accelerator plugged in) the device draws one power while it computes and one while it
waits, so the mean power of a trial is linear in the share of time that the head takes. The line is fitted by least
absolute deviations: trials that ran at another clock than their label says do not pull it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.pricing import Floats

_FEWEST_TRIALS = 6
_LEAST_SPREAD = 0.3
"""Of the head's share of time: with less, the line's slope would be noise."""
_ROUNDS = 60
_SMALLEST_RESIDUAL_W = 1e-4
_SHORTEST_MS = 1e-6
"""A nanosecond. What is said to have taken less was not timed, and its mean power would overflow."""


@dataclass(frozen=True)
class Trial:
    """Total energy in mJ over two times in ms. `group` names what the powers depend on, `kind` a wider group."""

    group: Hashable
    kind: Hashable
    head_ms: float
    waited_ms: float
    edge_mj: float


@dataclass(frozen=True)
class Powers:
    """Watts drawn at work and while waiting."""

    busy_w: float
    waiting_w: float

    def head_mj(self, trial: Trial) -> float:
        """The head's part of the trial's energy; all of it where nothing was waited for."""
        busy, waiting = self.busy_w * trial.head_ms, self.waiting_w * trial.waited_ms
        return trial.edge_mj * (busy / (busy + waiting)) if waiting and busy + waiting else trial.edge_mj


def split_mj(trials: Sequence[Trial]) -> list[tuple[float, float]]:
    """For each trial the energy in mJ of its head and of its waiting; the two add up to the recorded total."""
    powers = _by_group(trials)
    heads = [powers[trial.group].head_mj(trial) for trial in trials]
    return [(head_mj, trial.edge_mj - head_mj) for head_mj, trial in zip(heads, trials, strict=True)]


def _by_group(trials: Sequence[Trial]) -> dict[Hashable, Powers]:
    groups: dict[Hashable, list[Trial]] = defaultdict(list)
    kinds: dict[Hashable, list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.group].append(trial)
        kinds[trial.kind].append(trial)
    return {group: _powers(found, kinds[found[0].kind], trials) for group, found in groups.items()}


def _powers(*widening: Sequence[Trial]) -> Powers:
    """The powers of the first group that says something about both, else one power for both times."""
    for trials in widening:
        share, watts = _mean_power(trials)
        if len(share) >= _FEWEST_TRIALS and np.ptp(share) >= _LEAST_SPREAD:
            waiting_w, busy_w = _line(share, watts)
            if waiting_w > 0 and busy_w > 0:
                return Powers(busy_w, waiting_w)
    return Powers(1.0, 1.0)


def _mean_power(trials: Sequence[Trial]) -> tuple[Floats, Floats]:
    """The head's share of each trial's time, and the watts (mJ / ms) over all of it."""
    figures = np.array([(trial.head_ms, trial.waited_ms, trial.edge_mj) for trial in trials], dtype=np.float64)
    total_ms = figures[:, 0] + figures[:, 1]
    known = total_ms >= _SHORTEST_MS
    return figures[known, 0] / total_ms[known], figures[known, 2] / total_ms[known]


def _line(share: Floats, watts: Floats) -> tuple[float, float]:
    """Watts at share 0 and at share 1, by least absolute deviations: least squares, weighed again and again."""
    design = np.column_stack([1 - share, share])
    weights = np.ones_like(watts)
    fitted = np.zeros(2)
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        fitted = np.linalg.lstsq(design * root[:, None], watts * root, rcond=None)[0]
        weights = 1 / np.maximum(np.abs(watts - design @ fitted), _SMALLEST_RESIDUAL_W)
    return float(fitted[0]), float(fitted[1])
