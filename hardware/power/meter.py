"""The power meter port: watts now, and a joule counter where the meter has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from protocol.configuration import Provenance
from protocol.errors import DynaSplitError


class MeterLost(DynaSplitError, OSError):
    """The meter does not answer: unplugged, off the bus, or not readable. The caller may try again later."""

    http_status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class Reading:
    """One look at a meter.

    `watts` is the power drawn now. `joules` counts from an arbitrary start and never goes back; None where the meter
    keeps no count. `at_s` is the monotonic clock in seconds when the figures were taken, which may have been at the read before.
    `gaps` is how often `joules` bridges a time of which nobody knows the power: what was counted over one is an estimate.
    """

    watts: float
    joules: float | None
    at_s: float
    gaps: int = 0


class PowerMeter(Protocol):
    """One source of electrical power.

    `read` is called from a single sampling thread, at 10 Hz or more, and returns within 20 ms; only a meter that has to be
    asked from afar (a program, a plug) may wait longer for its first value, seconds at most. `period_s` is the time
    between two values of the meter, 0 where `joules` is exact at every moment: a window shorter than 5 periods is an
    estimate. A meter that is read more often than that shows the value before again, under the time when it was taken.
    """

    @property
    def provenance(self) -> Provenance:
        """What stands behind the figures."""
        ...

    @property
    def period_s(self) -> float:
        """Seconds between two values of the meter, 0 for an exact counter."""
        ...

    def read(self) -> Reading:
        """Power drawn now. Raises MeterLost when the device is gone or its last value is too old to be called that; the caller
        may try again later, and `joules` then goes on from where it was."""
        ...
