"""What a device may not do, whatever a request asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.pricing import EDGE_ACCELERATORS, Flags, Parts
from protocol.configuration import EdgeAccelerator
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Limits:
    """`min_cut`: what leaves the device has passed at least so many operators (1: never the input itself). `bytes_left`:
    what may still be sent today. `min_accuracy`: below it, or unproven, a row is out, whatever a request allows.
    `min_clock_khz`, `max_clock_khz`: rows for clocks outside are out. `accelerators` and `clocks_khz`: those that can be
    used now (None: all that the device has); rows for others are left alone as long as there is another one that would do."""

    min_cut: int = 0
    bytes_left: float = math.inf
    min_accuracy: float | None = None
    min_clock_khz: float = 0
    max_clock_khz: float = math.inf
    accelerators: frozenset[EdgeAccelerator] | None = None
    clocks_khz: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if self.min_cut < 0 or not self.bytes_left >= 0:
            raise InvalidInput(
                f"limits: min_cut and bytes_left must be 0 or more, not {self.min_cut}, {self.bytes_left}"
            )
        if self.min_accuracy is not None and not 0 <= self.min_accuracy <= 1:
            raise InvalidInput(f"min_accuracy must lie between 0 and 1, not {self.min_accuracy}")
        if not 0 <= self.min_clock_khz <= self.max_clock_khz:
            raise InvalidInput(
                f"limits: min_clock_khz must be 0 or more and not above max_clock_khz, not {self.min_clock_khz:.0f} and "
                f"{self.max_clock_khz:.0f}"
            )

    @property
    def none_on_sending(self) -> bool:
        """Whether everything may be sent."""
        return not self.min_cut and math.isinf(self.bytes_left)

    @property
    def all_usable(self) -> bool:
        """Whether the device can be brought into any state that it has."""
        return self.accelerators is None and self.clocks_khz is None

    @property
    def any_clock(self) -> bool:
        """Whether all clocks may be used."""
        return not self.min_clock_khz and math.isinf(self.max_clock_khz)

    def usable(self, parts: Parts) -> Flags:
        """The rows for which the device can be made ready now."""
        return self.usable_accelerator(parts) & self.usable_clock(parts)

    def usable_accelerator(self, parts: Parts) -> Flags:
        """The rows whose accelerator is there."""
        if self.accelerators is None:
            return np.ones(len(parts.cut), dtype=np.bool_)
        usable: Flags = np.isin(parts.edge_accelerator, [EDGE_ACCELERATORS[kind] for kind in self.accelerators])
        return usable

    def usable_clock(self, parts: Parts) -> Flags:
        """The rows whose clock is believed to be reached."""
        if self.clocks_khz is None:
            return np.ones(len(parts.cut), dtype=np.bool_)
        usable: Flags = np.isin(parts.cpu_khz, list(self.clocks_khz))
        return usable

    def allowed_clock(self, parts: Parts) -> Flags:
        """The rows whose clock may be used."""
        return (parts.cpu_khz >= self.min_clock_khz) & (parts.cpu_khz <= self.max_clock_khz)

    def allowed_khz(self, ladder_khz: Sequence[int]) -> tuple[int, ...]:
        """The clocks of a ladder that may be used; InvalidInput when there is none."""
        allowed = tuple(khz for khz in ladder_khz if self.min_clock_khz <= khz <= self.max_clock_khz)
        if not allowed:
            ladder = ", ".join(map(str, ladder_khz))
            raise InvalidInput(f"no clock of this board lies {self.clock_range}; it has {ladder}")
        return allowed

    @property
    def clock_range(self) -> str:
        """The clocks that may be used, in words."""
        if math.isinf(self.max_clock_khz):
            return f"from min_clock_khz {self.min_clock_khz:.0f} on"
        return f"between min_clock_khz {self.min_clock_khz:.0f} and max_clock_khz {self.max_clock_khz:.0f}"

    def may_send(self, parts: Parts) -> Flags:
        """The rows that send nothing, or no more and no earlier than they may."""
        return ~parts.uses_cloud | (self.late_enough(parts) & self.small_enough(parts))

    def check_cut(self, cut: int, *, last: int) -> None:
        """InvalidInput for a cut that is too early; the last one is edge-only, which sends nothing."""
        if cut < min(self.min_cut, last):
            raise InvalidInput(f"cut {cut} is below this device's min_cut {self.min_cut}")

    def check_clock(self, khz: int) -> None:
        """InvalidInput for a clock that may not be used."""
        if not self.min_clock_khz <= khz <= self.max_clock_khz:
            raise InvalidInput(
                f"clock {khz} kHz may not be used on this device: allowed is what lies {self.clock_range}"
            )

    def check_table(self, parts: Parts) -> None:
        """InvalidInput when a device with these limits could never use a row of a table."""
        may_send = self.may_send(parts)
        if not may_send.any():
            raise InvalidInput(f"all rows cut before this device's min_cut {self.min_cut}, and none is edge-only")
        may_run = may_send & self.allowed_clock(parts)
        if not may_run.any():
            raise InvalidInput(f"no row that this device may use has a clock {self.clock_range}")
        if not (may_run & self.accurate(parts, None)).any():
            raise InvalidInput(
                f"no row that this device may use is proven to reach its min_accuracy {self.min_accuracy}: "
                "evaluate the bundle, optimize with --accuracy, and push again"
            )

    def late_enough(self, parts: Parts) -> Flags:
        """The rows that are cut no earlier than they may be, were they to send anything."""
        return parts.cut >= self.min_cut

    def small_enough(self, parts: Parts) -> Flags:
        """The rows that send no more than is left."""
        return parts.up_bytes <= self.bytes_left

    def accuracy_with(self, asked: float | None) -> float | None:
        """The stricter of the device's and the request's; None where neither says anything."""
        return max((value for value in (self.min_accuracy, asked) if value is not None), default=None)

    def accurate(self, parts: Parts, asked: float | None) -> Flags:
        """The rows proven to reach what device and request ask for."""
        wanted = self.accuracy_with(asked)
        return np.ones(len(parts.cut), dtype=np.bool_) if wanted is None else parts.accuracy >= wanted


NO_LIMITS = Limits()
