"""The energy of stretches of time, shared among the requests that were open in them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from types import TracebackType

from edge.metering.gauge import Count, Gauge, Moment
from protocol.configuration import Provenance

_PERIODS_FOR_A_MEASUREMENT = 5

_MARGIN = 1.2

_MOST_UNSETTLED = 256
"""Marks whose energy nobody asked for, as failed requests leave them; the oldest are settled unasked."""


@dataclass(frozen=True)
class Energy:
    """Energy in mJ, with what stands behind it."""

    mj: float
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of time on the device: from `began_s` to `ended_s` on the monotonic clock, and its share of the energy. Where
    the same work was done `runs` times in it, `ms` and `energy` are of one of them, on average."""

    began_s: float
    ended_s: float
    _told: Callable[[], Energy]
    runs: int = 1

    @property
    def ms(self) -> float:
        return (self.ended_s - self.began_s) * 1e3 / self.runs

    @property
    def repeated_ms(self) -> float:
        """What all runs but one took."""
        return self.ms * (self.runs - 1)

    @cached_property
    def energy(self) -> Energy:
        """Settled when it is first asked for, so ask late: a sampled meter may need a moment to catch up."""
        whole = self._told()
        return replace(whole, mj=whole.mj / self.runs)

    def of_one(self, runs: int) -> Stretch:
        """The same, as so many runs of the same work."""
        return replace(self, runs=runs)


class _Mark:
    """A moment at which windows opened or closed, and how many were open from then on."""

    def __init__(self, moment: Moment) -> None:
        self.at_s = moment.at_s
        self.known = moment.count
        self.settled: Count | None = None
        self.sharers = 0


class Energies:
    """Opens windows on a gauge. Thread-safe; neither opening nor closing waits.

    Windows may overlap: what the device spends while several are open is split equally among them, from mark to mark, so
    that all windows together never get more than the gauge counted; a lone one gets everything. What was told of a moment
    stays: where it was estimated too high, the windows after it get that much less.

    A window shorter than five times what the meter resolves at its marks is `estimated`, and so is one over a gap. What an
    emulated meter says stays `emulated`.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._lock = threading.Lock()
        self._windows: set[Window] = set()
        self._unsettled: deque[_Mark] = deque()
        self._told_j = 0.0

    @property
    def shortest_s(self) -> float:
        """How long a window has to be to be measured, with a margin for where its edges fall; 0 where any is."""
        return _MARGIN * _PERIODS_FOR_A_MEASUREMENT * self._gauge.resolution_s

    def open(self) -> Window:
        """A window that begins now."""
        with self._lock:
            return self._opened(self._mark())

    def close(self, window: Window) -> tuple[_Mark, ...]:
        """Ends a window now; its marks. Use `Window.close`."""
        with self._lock:
            mark = self._mark()
            self._closed(window, mark)
            return tuple(window.marks)

    def hand_over(self, window: Window) -> tuple[tuple[_Mark, ...], Window]:
        """Ends a window now and opens one at the same mark. Use `Window.hand_over`."""
        with self._lock:
            mark = self._mark()
            self._closed(window, mark)
            return tuple(window.marks), self._opened(mark)

    def energy(self, marks: Sequence[_Mark]) -> Energy:
        """The share of one window. Waits as long as `Gauge.catch_up`."""
        self._gauge.catch_up(marks[-1].at_s)
        with self._lock:
            counts = [self._settled(mark) for mark in marks]
        joules = sum(
            (after.joules - before.joules) / mark.sharers
            for mark, (before, after) in zip(marks, pairwise(counts), strict=False)
        )
        seconds = marks[-1].at_s - marks[0].at_s
        exact = counts[0].gaps == counts[-1].gaps and all(
            seconds >= _PERIODS_FOR_A_MEASUREMENT * count.resolution_s for count in counts
        )
        return Energy(joules * 1e3, self._provenance(exact=exact))

    def _mark(self) -> _Mark:
        mark = _Mark(self._gauge.mark())
        self._unsettled.append(mark)
        if len(self._unsettled) > _MOST_UNSETTLED:
            self._settled(self._unsettled[0])
        for window in self._windows:
            window.marks.append(mark)
        mark.sharers = len(self._windows)
        return mark

    def _opened(self, mark: _Mark) -> Window:
        window = Window(self, mark)
        self._windows.add(window)
        mark.sharers = len(self._windows)
        return window

    def _closed(self, window: Window, mark: _Mark) -> None:
        self._windows.discard(window)
        mark.sharers = len(self._windows)

    def _settled(self, last: _Mark) -> Count:
        """What was counted up to a mark, and never less than up to the mark before."""
        while last.settled is None:
            mark = self._unsettled.popleft()
            count = mark.known or self._gauge.counted(mark.at_s)
            self._told_j = max(self._told_j, count.joules)
            mark.settled = replace(count, joules=self._told_j)
        return last.settled

    def _provenance(self, *, exact: bool) -> Provenance:
        if self._gauge.provenance is Provenance.MEASURED and not exact:
            return Provenance.ESTIMATED
        return self._gauge.provenance


class Window:
    """A stretch that has begun. End it by `close` or `hand_over`; as a context manager it closes at the latest there, so
    that a request that fails does not go on taking its share. For one thread at a time."""

    def __init__(self, energies: Energies, first: _Mark) -> None:
        self.marks = [first]
        self._energies = energies
        self._stretch: Stretch | None = None

    @property
    def began_s(self) -> float:
        """On the monotonic clock."""
        return self.marks[0].at_s

    def close(self) -> Stretch:
        """Ends it now. Closing again changes nothing."""
        if self._stretch is None:
            self._stretch = self._ended(self._energies.close(self))
        return self._stretch

    def hand_over(self) -> tuple[Stretch, Window]:
        """Ends it now and opens the next one at the very same moment, as from the head to waiting for the cloud."""
        marks, following = self._energies.hand_over(self)
        self._stretch = self._ended(marks)
        return self._stretch, following

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ended(self, marks: Sequence[_Mark]) -> Stretch:
        return Stretch(marks[0].at_s, marks[-1].at_s, lambda: self._energies.energy(marks))
