"""Recorded trials as a world: what a request would cost is drawn from what the configuration did cost when it was tried.

Which trial a request meets depends on its luck, a number in [0, 1) that is drawn once a request: so all strategies meet
the same world, and one that knows all outcomes beforehand is never beaten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from planner.averages import by_configuration
from planner.pricing import Floats, Indices, Prices
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.measurement import Measurement

LEAST_TRIALS = 5
"""So many trials of one configuration tell how outcomes scatter: with fewer, the median lies on the trials themselves."""

_FIGURES = ("head_ms", "transfer_ms", "cloud_ms", "rest_ms", "head_mj", "wait_mj", "cloud_node_mj", "cloud_active_mj")
_HEAD, _TRANSFER, _CLOUD, _REST, _HEAD_MJ, _WAIT_MJ, _NODE_MJ, _ACTIVE_MJ = range(len(_FIGURES))
_CLOUD_ONLY, _SPLIT, _EDGE_ONLY = range(3)
_WAITING = slice(_TRANSFER, _CLOUD + 1)
_TIMES = slice(_HEAD, _REST + 1)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What n requests cost: `figures` is float64 [n, 8], times in ms and energies in mJ, in the order of `_FIGURES`."""

    figures: Floats

    @property
    def head_ms(self) -> Floats:
        return self.figures[:, _HEAD]

    @property
    def waiting_ms(self) -> Floats:
        """Time that the device waited for the cloud: the way there and back, and the tail."""
        return self.figures[:, _TRANSFER] + self.figures[:, _CLOUD]

    @property
    def latency_ms(self) -> Floats:
        """From the start of the head to the reply."""
        return np.asarray(self.figures[:, _TIMES].sum(axis=1))

    @property
    def edge_mj(self) -> Floats:
        return self.figures[:, _HEAD_MJ] + self.figures[:, _WAIT_MJ]

    def cloud_mj(self, account: Account) -> Floats:
        """What the account adds for the cloud: nothing, the whole node, or its part above idle (NaN where unknown)."""
        if account is Account.EDGE:
            return np.zeros(len(self.figures))
        return self.figures[:, _NODE_MJ if account is Account.EDGE_NODE else _ACTIVE_MJ]

    def prices(self, account: Account) -> Prices:
        return Prices(self.latency_ms, self.edge_mj + self.cloud_mj(account))

    def cut_off(self, waited_ms: float) -> Outcomes:
        """The same requests, had they waited so long (ms) for a cloud that never answered: it spends nothing on them."""
        figures = self.figures.copy()
        figures[:, _WAIT_MJ] *= waited_ms / np.maximum(self.waiting_ms, 1e-9)
        figures[:, _TRANSFER] = waited_ms
        figures[:, [_CLOUD, _REST, _NODE_MJ, _ACTIVE_MJ]] = 0.0
        return Outcomes(figures)

    def __add__(self, then: Outcomes) -> Outcomes:
        """These requests, and then others on top."""
        return Outcomes(self.figures + then.figures)


class World(Protocol):
    """What answers when a configuration is run. Nothing in it changes; what is random is handed in as luck."""

    @property
    def configurations(self) -> Sequence[Configuration]:
        """Those that can be run."""
        ...

    @property
    def edge_only(self) -> Indices:
        """Those that send nothing, the one with the lowest median latency first."""
        ...

    def outcomes(self, rows: Indices, luck: Floats) -> Outcomes:
        """The outcome of each request: `rows` [n] are indices into `configurations`, `luck` [n] lies in [0, 1)."""
        ...

    @property
    def turns(self) -> Floats:
        """Ascending, in (0, 1): between one of these and the next, luck changes the outcome of no configuration."""
        ...

    def over(self, link: Link) -> World:
        """The same world behind another link."""
        ...


@dataclass(frozen=True, eq=False)
class Recording:
    """The trials of each configuration; an outcome is one of them, each as likely.

    The trials lie one behind the other: those of configuration i in `figures[starts[i] : starts[i] + counts[i]]`.
    `up_bytes`, `down_bytes` and `link_ms` are of each trial: what it sent, and the time that this takes on the link over
    which it was recorded.
    """

    configurations: tuple[Configuration, ...]
    figures: Floats
    starts: Indices
    counts: Indices
    up_bytes: Floats
    down_bytes: Floats
    link_ms: Floats

    @classmethod
    def of(cls, measurements: Iterable[Measurement]) -> Recording:
        """The world of these measurements; what was measured while the device was throttled is left out.

        InvalidInput where nothing is left.
        """
        groups = by_configuration(item for item in measurements if not item.throttled)
        if not groups:
            raise InvalidInput("there is nothing to replay: give measurements that were not throttled")
        trials = [item for group in groups.values() for item in group]
        counts = np.array([len(group) for group in groups.values()], dtype=np.intp)
        return cls(
            configurations=tuple(groups),
            figures=np.array([_figures(item) for item in trials], dtype=np.float64),
            starts=np.cumsum(counts) - counts,
            counts=counts,
            up_bytes=np.array([item.cost.up_bytes for item in trials], dtype=np.float64),
            down_bytes=np.array([item.cost.down_bytes for item in trials], dtype=np.float64),
            link_ms=np.array([_on_the_way(item, item.link) for item in trials], dtype=np.float64),
        )

    def outcomes(self, rows: Indices, luck: Floats) -> Outcomes:
        picks = (luck * self.counts[rows]).astype(np.intp)
        return Outcomes(self.figures[self.starts[rows] + picks])

    @cached_property
    def turns(self) -> Floats:
        return np.unique(np.concatenate([np.arange(1, count) / count for count in set(self.counts.tolist())]))

    def over(self, link: Link) -> Recording:
        """The time on the way is the recorded one in proportion; the device draws the same watts while it waits."""
        sends = self.up_bytes > 0
        now_ms = link.rtt_ms + self.up_bytes / link.up_bytes_per_ms + self.down_bytes / link.down_bytes_per_ms
        figures = self.figures.copy()
        figures[sends, _TRANSFER] *= (now_ms / np.maximum(self.link_ms, 1e-9))[sends]
        before, after = self.figures[:, _WAITING].sum(axis=1), figures[:, _WAITING].sum(axis=1)
        figures[sends, _WAIT_MJ] *= (after / np.maximum(before, 1e-9))[sends]
        return replace(self, figures=figures, link_ms=np.where(sends, now_ms, 0.0))

    @cached_property
    def medians(self) -> Floats:
        """Of each figure by itself, float64 [configurations, figures]."""
        return np.array([np.median(trials, axis=0) for trials in self.by_configuration()])

    @cached_property
    def median_ms(self) -> Floats:
        """The median latency of each configuration."""
        return np.array([np.median(trials[:, _TIMES].sum(axis=1)) for trials in self.by_configuration()])

    @cached_property
    def median_mj(self) -> Floats:
        """The median energy of each configuration, `edge_node`."""
        spent = (_HEAD_MJ, _WAIT_MJ, _NODE_MJ)
        return np.array([np.median(trials[:, spent].sum(axis=1)) for trials in self.by_configuration()])

    @property
    def knows_active(self) -> bool:
        """Whether of every trial it is known what the cloud spent above idle."""
        return not np.isnan(self.figures[:, _ACTIVE_MJ]).any()

    @cached_property
    def kinds(self) -> Indices:
        """Of each configuration: it sends the input, computes a part, or is edge-only."""
        sends = self.up_bytes[self.starts] > 0
        cuts = np.array([item.cut for item in self.configurations])
        return np.where(sends, np.where(cuts > 0, _SPLIT, _CLOUD_ONLY), _EDGE_ONLY).astype(np.intp)

    @property
    def edge_only(self) -> Indices:
        found = np.flatnonzero(self.kinds == _EDGE_ONLY)
        return found[np.argsort(self.median_ms[found], kind="stable")]

    def by_configuration(self) -> list[Floats]:
        """The trials' figures of each configuration."""
        return np.split(self.figures, self.starts[1:])


@dataclass(frozen=True, eq=False)
class Residuals:
    """A world in which all configurations scatter, also those that were recorded once.

    An outcome is the configuration's recorded median, figure by figure, times what one trial of a configuration that was
    recorded often had over the median of its own. Configurations of the same kind (sends the input, computes a part,
    edge-only) stand for each other, each as likely; where none of a kind was recorded often, those of all kinds do.
    """

    recording: Recording
    ratios: Floats
    first: Indices
    chances: tuple[Floats, ...]

    @classmethod
    def of(
        cls, recording: Recording, *, donors: Recording | None = None, least_trials: int = LEAST_TRIALS
    ) -> Residuals:
        """Scatter as in `donors` (the recording without trials that are not to be believed; default: the recording itself).

        InvalidInput where no configuration was recorded often enough.
        """
        pools = _pools(donors or recording, least_trials)
        sizes = np.array([sum(len(ratios) for ratios in pool) for pool in pools])
        return cls(
            recording=recording,
            ratios=np.concatenate([ratios for pool in pools for ratios in pool]),
            first=np.cumsum(sizes) - sizes,
            chances=tuple(_chances([len(ratios) for ratios in pool]) for pool in pools),
        )

    @property
    def configurations(self) -> Sequence[Configuration]:
        return self.recording.configurations

    @property
    def edge_only(self) -> Indices:
        return self.recording.edge_only

    def outcomes(self, rows: Indices, luck: Floats) -> Outcomes:
        kinds = self.recording.kinds[rows]
        picks = np.empty(len(rows), dtype=np.intp)
        for kind, chances in enumerate(self.chances):
            chosen = kinds == kind
            picks[chosen] = self.first[kind] + np.searchsorted(chances, luck[chosen], side="right")
        return Outcomes(self.recording.medians[rows] * self.ratios[picks])

    @cached_property
    def turns(self) -> Floats:
        return np.unique(np.concatenate(self.chances))

    def over(self, link: Link) -> Residuals:
        return replace(self, recording=self.recording.over(link))


def _figures(item: Measurement) -> tuple[float, ...]:
    cost = item.cost
    active_mj = np.nan if cost.cloud_active_mj is None else cost.cloud_active_mj
    known_ms = cost.head_ms + cost.transfer_ms + cost.cloud_ms
    rest_ms = max(0.0, cost.latency_ms - known_ms)
    energies = (cost.head_mj, cost.wait_mj, cost.cloud_node_mj, active_mj if cost.up_bytes else 0.0)
    return (cost.head_ms, cost.transfer_ms, cost.cloud_ms, rest_ms, *energies)


def _on_the_way(item: Measurement, link: Link) -> float:
    return link.transfer_ms(item.cost.up_bytes, item.cost.down_bytes) if item.cost.up_bytes else 0.0


def _pools(recording: Recording, least_trials: int) -> list[list[Any]]:
    """For each kind the trials over the median of their configuration, float64 [trials, figures], one array a configuration."""
    found: dict[int, list[Any]] = defaultdict(list)
    for kind, trials, medians in zip(recording.kinds, recording.by_configuration(), recording.medians, strict=True):
        if len(trials) >= least_trials:
            found[int(kind)].append(_ratios(trials, medians))
    if not found:
        raise InvalidInput(
            f"no configuration was recorded {least_trials} times or more, so nothing tells how outcomes scatter; "
            "replay the recorded outcomes, or measure some configurations more often"
        )
    everything = [ratios for pool in found.values() for ratios in pool]
    return [found.get(kind) or everything for kind in (_CLOUD_ONLY, _SPLIT, _EDGE_ONLY)]


def _ratios(trials: Floats, medians: Floats) -> Floats:
    """1 where the median says nothing: of what is never there, unknown, or only what is left over."""
    usual = medians > 0
    usual[_REST] = False
    return np.where(usual, trials / np.where(usual, medians, 1.0), 1.0)


def _chances(sizes: Sequence[int]) -> Floats:
    """The upper ends of the trials' shares of luck: each configuration has the same share, and so have its trials."""
    weights = np.concatenate([np.full(size, 1 / (len(sizes) * size)) for size in sizes])
    ends = np.cumsum(weights)
    return np.asarray(ends[:-1] / ends[-1])
