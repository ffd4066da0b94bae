"""Sampling a power meter into the ring: when, and what of a meter that gets lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from edge.metering.gauge import Tally
from edge.metering.ring import Kind, Ring, Slot
from hardware.clock import Clock
from hardware.power.meter import MeterLost, PowerMeter, Reading
from protocol.configuration import Provenance
from protocol.errors import DynaSplitError

SAMPLE_EVERY_S = 0.1
STALL_S = 0.2
"""Longer between two samples, and something kept the sampler from its work."""

DENSEST_S = 0.02
_SHARE_OF_WINDOW = 0.1
RETRY_S = 1.0
"""Between two questions to a lost meter."""
LONGEST_REASON = 500
"""Characters of a fact, which has to fit into the atomic 4096 bytes of a pipe (pipe(7))."""

Opener = Callable[[], PowerMeter]
"""Opens the meter, in the sampler's process. It is sent there by its name, so no lambda."""


@dataclass(frozen=True)
class Opened:
    """The meter is open."""

    provenance: Provenance
    period_s: float


@dataclass(frozen=True)
class Refused:
    """The meter cannot be opened; the process ends."""

    error: DynaSplitError


@dataclass(frozen=True)
class Lost:
    """The meter does not answer; it will be asked again."""

    reason: str


@dataclass(frozen=True)
class Found:
    """A lost meter answers again."""


Fact = Opened | Refused | Lost | Found


class Sampling:
    """Samples a meter into a ring, at the pace that its figures call for.

    A joule counter misses nothing between two readings: 10 Hz are enough, with one reading more at each nudge, which is when a
    window opens or closes, so that its edges are known to the millisecond. Bare watts say nothing of what was between:
    from a nudge on they are taken every tenth of the time that has passed since, so that a window of any length has ten samples
    at least, but never more often than the meter has new ones or 50 times a second (on a Pi 4 each costs about 0.2 ms of CPU),
    and never less often than at 10 Hz. A meter with a period over 100 ms is asked at 10 Hz too, to find its values when they
    are new; a reading with the time of the one before is no sample.
    """

    def __init__(self, meter: PowerMeter, ring: Ring, tell: Callable[[Fact], None], *, clock: Clock) -> None:
        self._meter = meter
        self._ring = ring
        self._tell = tell
        self._clock = clock
        self._tally, self._last_s = _resumed(ring)
        self._nudged_s = -math.inf
        self._asked_s: float | None = None
        self._retry_s: float | None = None

    def sample(self, *, nudged: bool = False) -> float:
        """Takes a sample; the seconds until the next one is due. A lost meter is asked once a second, nudged or not."""
        now_s = self._clock()
        self._ring.beat(now_s)
        if nudged:
            self._nudged_s = now_s
        if self._retry_s is not None and now_s < self._retry_s:
            return self._retry_s - now_s
        self._note_stall(now_s)
        try:
            reading = self._meter.read()
        except MeterLost as error:
            return self._lost(now_s, error)
        self._keep(reading)
        return max(0.0, now_s + self._every_s(now_s, reading) - self._clock())

    def _keep(self, reading: Reading) -> None:
        if self._retry_s is not None:
            self._retry_s = None
            self._tell(Found())
        if reading.at_s > self._last_s:
            self._tally.add(reading)
            self._write(reading.at_s, Kind.WATTS if reading.joules is None else Kind.COUNTER)

    def _lost(self, now_s: float, error: MeterLost) -> float:
        if self._retry_s is None:
            self._tell(Lost(str(error)[:LONGEST_REASON]))
        self._retry_s, self._asked_s = now_s + RETRY_S, None
        self._tally.lose(now_s)
        if now_s > self._last_s:
            self._write(now_s, Kind.LOST)
        return RETRY_S

    def _write(self, at_s: float, kind: Kind) -> None:
        self._last_s = at_s
        self._ring.write(Slot(at_s, self._tally.watts, self._tally.joules, self._tally.gaps, kind))

    def _note_stall(self, now_s: float) -> None:
        """Bare watts say nothing of the time without samples; a counter does."""
        if self._asked_s is not None:
            seconds = now_s - self._asked_s
            self._ring.stalled(seconds, counts=seconds > STALL_S)
            if seconds > STALL_S and not self._tally.counts:
                self._tally.gaps += 1
        self._asked_s = now_s

    def _every_s(self, now_s: float, reading: Reading) -> float:
        if reading.joules is not None:
            return SAMPLE_EVERY_S
        wanted_s = _SHARE_OF_WINDOW * (now_s - self._nudged_s)
        return min(SAMPLE_EVERY_S, max(wanted_s, self._meter.period_s, DENSEST_S))


def _resumed(ring: Ring) -> tuple[Tally, float]:
    """Counts on where an earlier sampler ended: of the time between, only the powers at its ends are known."""
    last = ring.latest()
    if last is None:
        return Tally(), -math.inf
    return Tally(last.joules, gaps=last.gaps + 1, last=Reading(last.watts, None, last.at_s)), last.at_s
