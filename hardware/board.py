"""The board port: the device that a head runs on, with its clocks, its accelerators and its power meter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from hardware.power.meter import PowerMeter
from hardware.throttling import Slowdown
from protocol.configuration import EdgeAccelerator, Provenance
from protocol.errors import DynaSplitError, InvalidInput
from protocol.work import Work

T = TypeVar("T")


class ClockNotApplied(DynaSplitError, RuntimeError):
    """The device runs at another clock than it was told to: `reached_khz`, None where that is not known."""

    http_status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, reached_khz: int | None = None) -> None:
        super().__init__(message)
        self.reached_khz = reached_khz


@dataclass(frozen=True)
class Applied:
    """What the board was found to be set to, read back after the change."""

    cpu_khz: int
    accelerator: EdgeAccelerator


class Board(Protocol):
    """One device. One piece of work runs at a time, and settings change only between two of them.

    `execute`, `apply` and `restore` may be called from any thread; while work runs they wait for its end, so none of
    them may be called from within the work. `meter` may be read from another thread all the while.
    """

    @property
    def name(self) -> str:
        """The board's name, such as `emulated-pi4`."""
        ...

    @property
    def provenance(self) -> Provenance:
        """What stands behind times taken on this board."""
        ...

    @property
    def meter(self) -> PowerMeter:
        """What tells the power that the whole board draws."""
        ...

    @property
    def overruns(self) -> int:
        """How often work took over 1 ms longer here than on the device that the board stands for; 0 on a real board."""
        ...

    def ladder_khz(self) -> tuple[int, ...]:
        """The CPU clocks that can be applied, in kHz, ascending."""
        ...

    def accelerators(self) -> tuple[EdgeAccelerator, ...]:
        """The edge accelerators that the board is set up for, there at the moment or not; OFF is always one of them."""
        ...

    def apply(self, *, cpu_khz: int, accelerator: EdgeAccelerator) -> Applied:
        """Sets the clock and the accelerator for the work to come, and tells what was read back.

        Raises InvalidInput for a clock that is not on the ladder or an accelerator that the board is not set up for,
        before anything is changed; AcceleratorFailed for one that is away or does not wake; ClockNotApplied when the
        device then runs at another clock; NotAllowed when this process has no right to change it.
        """
        ...

    def execute(self, work: Work, run: Callable[[], T], *, threads: int = 1) -> T:
        """Runs a piece of work on the device with what was applied, and gives what `run` gives.

        `work` describes what `run` does. What `run` raises goes through. Raises InvalidInput for a number of threads
        or a kind of work that the board cannot do.
        """
        ...

    def slowdown(self, *, at_once: bool = False) -> Slowdown:
        """What the device says of heat and supply now: two looks tell what slowed it down between them.

        On a Raspberry Pi whose kernel does not pass that on a look takes milliseconds, 2 s at most; `at_once` never waits,
        and may be what was said last."""
        ...

    def holds(self, cpu_khz: int) -> bool:
        """Whether the CPU is, now, at a clock that was applied. Firmware and heat may take it away at any time."""
        ...

    def running_khz(self) -> int | None:
        """The clock that the CPU runs at now, whatever was applied; None where nobody can tell. On processors that change it by
        themselves a momentary figure, lower at rest."""
        ...

    def temperature_c(self) -> float | None:
        """The processor's temperature in degrees Celsius; None where nobody can tell."""
        ...

    def restore(self) -> None:
        """Puts the device back as it was found. Safe to call at any time, and more than once."""
        ...


def check_on_offer(board: Board, *, cpu_khz: int, accelerator: EdgeAccelerator) -> None:
    """Raises InvalidInput, with what there is, for a clock or an accelerator that the board does not have."""
    if cpu_khz not in board.ladder_khz():
        ladder = ", ".join(str(khz) for khz in board.ladder_khz())
        raise InvalidInput(f"{board.name} has no CPU clock of {cpu_khz} kHz; choose one of {ladder}")
    if accelerator not in board.accelerators():
        there = ", ".join(board.accelerators())
        raise InvalidInput(f"{board.name} has no edge accelerator '{accelerator}'; choose one of {there}")
