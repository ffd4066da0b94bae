"""What served requests taught about a table's rows: by how much to correct each prediction, and how far to trust it.

Per row and figure it keeps the logarithm of observed over predicted, and draws it towards the row's group (`effects`):
heads and the device's energy by edge accelerator, waiting and the cloud's energy by cloud accelerator. What has changed in
the last few dozen requests (heat, a busy cloud) is a level of its own that moves fast. A row's guarded latency lies so many
standard deviations above its expected one that a wanted share of requests takes longer; that number is learned from how
often it happened (adaptive conformal inference: Gibbs and Candès, arXiv 2106.00170), so no distribution is assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np

from planner.learning.effects import Effects, Sums, effects
from planner.pricing import Expected, Floats, Indices, Parts
from protocol.configuration import Account
from protocol.errors import InvalidInput
from protocol.link import Link

DEFAULT_VIOLATION_RATE = 0.001

HEAD_MS, WAITING_MS, EDGE_MJ, CLOUD_MJ = range(4)
FIGURES = ("head_ms", "waiting_ms", "edge_mj", "cloud_mj")

_ROW_SD, _LEAST_SD = 0.05, 0.003
"""A row's uncertainty where it does not state any, and the least that is believed."""
_HALF_LIFE, _RECENT_HALF_LIFE = 2000, 20
"""After so many requests an observation of a row, and one of the recent level, weighs half."""
_RECENT_PRIOR = 4.0
"""How many requests without any change the recent level is drawn to."""
_STEP, _MOST_STRETCH, _LOOSEST = 0.5, 12.0, 20.0
"""How far a late answer widens the guard, how wide it gets at most, and by which factor of the wanted rate a normal
distribution would exceed it at its narrowest."""
_BELIEVED_SD, _BELIEVED = 4.0, math.log(1.35)
"""A single observation counts as no farther from what was expected than the larger of these: in standard deviations,
and as a ratio. A change that stays moves what is expected along."""
_GROUPS = 4
_NO_HEAD = 3
_JITTER_SD = np.repeat([0.005, 0.02, 0.01, 0.02], _GROUPS)
"""How much observations of one row scatter, by figure, before anything is known."""


@dataclass(frozen=True, eq=False)
class Observed:
    """What n requests showed. `rows` [n] are indices into the table, the figures float64 [n], NaN where unknown.

    `deadlines_ms`: what was left of each when it was decided, infinite for none. `waiting_ms`: the way there and back, and
    the tail; `edge_mj`: the device, head and waiting; `cloud_mj`: the whole node.
    """

    rows: Indices
    deadlines_ms: Floats
    head_ms: Floats
    waiting_ms: Floats
    edge_mj: Floats
    cloud_mj: Floats

    @cached_property
    def figures(self) -> Floats:
        """[4, n], in the order of FIGURES."""
        return np.array([self.head_ms, self.waiting_ms, self.edge_mj, self.cloud_mj], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Terms:
    """What is expected of each row, but for the link: corrected figures, what they may be off, and what is hoped of them."""

    head_ms: Floats
    head_variance: Floats
    waiting: Floats
    waiting_off: Floats
    head_mj: Floats
    wait_w: Floats
    edge_hope: Floats
    cloud: Floats
    cloud_hope: Floats

    def times_ms(self, predicted_ms: Floats) -> tuple[Floats, Floats]:
        """Latency and its standard deviation, where this waiting is predicted."""
        off_ms = predicted_ms * self.waiting_off
        return self.head_ms + predicted_ms * self.waiting, np.sqrt(self.head_variance + off_ms * off_ms)


@dataclass(frozen=True, eq=False)
class _Columns:
    """What of a table's rows never changes: the group of each figure of each row and what it may be off by before anything is
    seen (a variance), both [4 x rows]; and whether each row uses the cloud, as an index."""

    groups: Indices
    prior_variance: Floats
    kinds: Indices

    @classmethod
    def of(cls, parts: Parts) -> _Columns:
        edge, cloud = np.where(parts.cut > 0, parts.edge_accelerator, _NO_HEAD), parts.cloud_accelerator
        groups = np.concatenate([edge, cloud, edge, cloud]).astype(np.intp)
        stated = np.concatenate([parts.head_ms_sd, parts.cloud_ms_sd, parts.head_mj_sd, parts.cloud_node_mj_sd])
        known = np.where(np.isnan(stated), _ROW_SD, stated)
        return cls(
            groups + _GROUPS * np.repeat(np.arange(4), len(edge)),
            np.asarray(np.maximum(known, _LEAST_SD) ** 2),
            parts.uses_cloud.astype(np.intp),
        )


@dataclass(frozen=True, eq=False)
class Experience:
    """Learned from the rows of one table; a value: `after` gives the next one. Build with `of`."""

    parts: Parts
    columns: _Columns
    violation_rate: float
    sums: Sums
    recent: Sums
    stretch: Floats
    tries: bool = True
    requests: int = 0

    @classmethod
    def of(cls, parts: Parts, *, violation_rate: float = DEFAULT_VIOLATION_RATE, tries: bool = True) -> Experience:
        """Nothing seen yet. `violation_rate` is the share of requests that may be late though they were predicted in time.
        `tries`: of rows that promise about the same, what is not known of one counts in its favour."""
        if not 0 < violation_rate < 0.5:
            raise InvalidInput(f"violation_rate must lie above 0 and below 0.5, not {violation_rate}")
        nothing = Sums.nothing(4 * len(parts.cut))
        start = NormalDist().inv_cdf(1 - violation_rate)
        return cls(parts, _Columns.of(parts), violation_rate, nothing, nothing, np.full(2, start), tries)

    def prepare(self) -> None:
        """Works out what `expected` wants whatever the link, which takes most of its time. It does so itself when nobody did."""
        _ = self._terms, self._held_ms

    def expected(self, link: Link, account: Account) -> Expected:
        """All rows over this link; InvalidInput for `edge_active` where it is unknown."""
        terms, predicted_ms = self._terms, self.parts.waiting_ms(link)
        latency_ms, spread_ms = terms.times_ms(predicted_ms)
        edge_mj, cloud_mj = terms.head_mj + terms.wait_w * predicted_ms, self.parts.cloud_mj(account) * terms.cloud
        energy_mj = edge_mj + cloud_mj
        return Expected(
            latency_ms=latency_ms,
            spread_ms=spread_ms,
            guarded_ms=latency_ms + self._stretches * spread_ms,
            held_ms=self._held_ms,
            energy_mj=energy_mj,
            hoped_mj=edge_mj * terms.edge_hope + cloud_mj * terms.cloud_hope if self.tries else energy_mj,
        )

    def waiting_ms(self, row: int, predicted_ms: float) -> float:
        """How long a request that takes this row waits for the cloud, where the table predicts so long."""
        return predicted_ms * float(self._terms.waiting[row])

    def after(self, observed: Observed, link: Link) -> Experience:
        """The experience after these requests, all decided with this one. Leave out those that went otherwise than
        decided (a fallback): they tell nothing of the row."""
        count = len(observed.rows)
        if not count:
            return self
        rows, values = self._seen(observed, link)
        return replace(
            self,
            sums=self.sums.after(rows, values, requests=count, half_life=_HALF_LIFE),
            recent=self.recent.after(rows, values, requests=count, half_life=_RECENT_HALF_LIFE),
            stretch=self._stretch_after(observed, link),
            requests=self.requests + count,
        )

    def _seen(self, observed: Observed, link: Link) -> tuple[Indices, Floats]:
        """Logarithms of observed over predicted, as far as they are believed, and to which figure of which row each belongs
        (an index into [4 x rows]); without those that are unknown."""
        predicted = self.parts.figures(link)[:, observed.rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.log(observed.figures / predicted).ravel()
        known = np.flatnonzero(np.isfinite(ratios))
        size = len(self.parts.cut)
        places = (np.arange(4)[:, None] * size + observed.rows[None, :]).ravel()[known]
        expected = self._effects.mean[places] + self._level[self.columns.groups[places]]
        reach = np.maximum(_BELIEVED_SD * np.sqrt(self._effects.variance[places]), _BELIEVED)
        return places, np.clip(ratios[known], expected - reach, expected + reach)

    def _stretch_after(self, observed: Observed, link: Link) -> Floats:
        """Up by much whenever a request was late that had been predicted in time, down by little otherwise, so that in
        the long run the wanted share is late; apart for rows with and without the cloud."""
        took_ms = np.nansum(observed.figures[:2], axis=0)
        latency_ms, spread_ms = self._terms.times_ms(self.parts.waiting_ms(link))
        rows = observed.rows
        promised = latency_ms[rows] + self._stretches[rows] * spread_ms[rows] <= observed.deadlines_ms
        late = took_ms > observed.deadlines_ms
        steps = _STEP * np.bincount(self.columns.kinds[rows], promised * (late - self.violation_rate), 2)
        return np.clip(self.stretch + steps, self._least_stretch, _MOST_STRETCH)

    @cached_property
    def _effects(self) -> Effects:
        return effects(
            self.sums, prior_variance=self.columns.prior_variance, jitter_sd=_JITTER_SD, groups=self.columns.groups
        )

    @cached_property
    def _level(self) -> Floats:
        """By how much the last requests of each group lay above what their rows' own history says."""
        seen = np.flatnonzero(self.recent.count > 0)
        groups, size = self.columns.groups[seen], len(_JITTER_SD)
        above = np.bincount(groups, self.recent.total[seen] - self.recent.count[seen] * self._effects.mean[seen], size)
        return np.asarray(above / (np.bincount(groups, self.recent.count[seen], size) + _RECENT_PRIOR))

    @cached_property
    def _factors(self) -> Floats:
        """What to multiply each prediction with, [4, rows]."""
        factors: Floats = np.exp(self._effects.mean + self._level[self.columns.groups]).reshape(4, -1)
        return factors

    @cached_property
    def _terms(self) -> _Terms:
        parts, factors, hope = self.parts, self._factors, self._hope
        head_ms: Floats = parts.head_ms * factors[HEAD_MS]
        sd = np.sqrt(self._effects.variance).reshape(4, -1)
        return _Terms(
            head_ms=head_ms,
            head_variance=(head_ms * sd[HEAD_MS]) ** 2,
            waiting=factors[WAITING_MS],
            waiting_off=factors[WAITING_MS] * sd[WAITING_MS],
            head_mj=parts.head_mj * factors[EDGE_MJ],
            wait_w=parts.wait_w * factors[EDGE_MJ],
            edge_hope=hope[EDGE_MJ],
            cloud=factors[CLOUD_MJ],
            cloud_hope=hope[CLOUD_MJ],
        )

    @cached_property
    def _held_ms(self) -> Floats:
        """The head's time, with the margin on it."""
        return self._terms.head_ms + self._stretches * np.sqrt(self._terms.head_variance)

    @cached_property
    def _hope(self) -> Floats:
        """What is left of a figure when what is not known of it turns out well, by one standard deviation."""
        return np.exp(-np.sqrt(self._effects.doubt)).reshape(4, -1)

    @cached_property
    def _stretches(self) -> Floats:
        """By how many standard deviations each row is guarded."""
        return self.stretch[self.columns.kinds]

    @property
    def _least_stretch(self) -> float:
        return NormalDist().inv_cdf(1 - min(_LOOSEST * self.violation_rate, 0.5))
