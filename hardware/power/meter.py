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
    keeps no count. `at_s` is the monotonic clock in seconds when the figures were taken.
    """

    watts: float
    joules: float | None
    at_s: float


class PowerMeter(Protocol):
    """One source of electrical power.

    `read` is called from a single sampling thread, at 10 Hz or more, and returns within 20 ms. `period_s` is the time
    between two values of the meter, 0 where `joules` is exact at every moment: a window shorter than 5 periods is an
    estimate.
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
        """Power drawn now. Raises MeterLost when the device is gone; the caller may try again later."""
        ...
