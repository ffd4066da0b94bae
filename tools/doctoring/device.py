"""What is looked at: the device as the agent would take it, by its settings, or as it comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge.settings import RUN_DIR, EdgeSettings
from hardware.power.opening import MeterSpec
from hardware.profile import GENERIC, emulated_names
from hardware.sysfs import SYSFS
from tools.doctoring.findings import Finding, error, warning


@dataclass(frozen=True)
class Device:
    """A board by its name, its meter, the root of its sysfs and of its device nodes, and where notes of the agent lie.

    `settings`: the agent's; None where nobody named any: then nobody knows whether this machine is meant to serve as a board.
    """

    board: str = GENERIC
    meter: MeterSpec = field(default_factory=MeterSpec)
    sys: Path = SYSFS
    dev: Path = Path("/dev")
    run_dir: Path = RUN_DIR
    settings: EdgeSettings | None = None

    @classmethod
    def of(cls, settings: EdgeSettings | None, *, sys: Path = SYSFS) -> Device:
        """As the settings say; `sys` counts where there are none."""
        if settings is None:
            return cls(meter=MeterSpec(sys=sys), sys=sys)
        return cls(settings.board, settings.meter_spec, settings.sysfs, run_dir=settings.run_dir, settings=settings)

    @property
    def emulated(self) -> bool:
        """Whether the board's clocks and power are not those of this machine."""
        return self.board in emulated_names()

    def obstacle(self, subject: str, seen: str, advice: str) -> Finding:
        """What keeps the agent from serving on this board: an error where that is what it is set up for."""
        return (error if self.settings else warning)(subject, seen, advice)
