"""How long a processor takes for a piece of work, by the work's own figures and the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.documents import field
from protocol.errors import InvalidInput
from protocol.work import Work


@dataclass(frozen=True)
class WorkTimes:
    """The constants of a processor on so many threads.

    `cycles_per_mac` goes by the element type of `Work.macs`' keys (`conv/int8` -> `int8`). `ns_per_byte` is the time
    that a moved byte takes at any clock, since memory has its own.
    """

    threads: int
    cycles_per_mac: Mapping[str, float]
    ns_per_byte: float

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InvalidInput(f"device model: threads must be 1 or more, not {self.threads}")
        for name, figure in {"ns_per_byte": self.ns_per_byte, **self.cycles_per_mac}.items():
            if figure < 0:
                raise InvalidInput(f"device model: {name} must be 0 or more, not {figure}")

    def time_ms(self, work: Work, cpu_khz: int) -> float:
        """How long the work takes at a clock. InvalidInput for an element type without a figure."""
        cycles = sum(count * self._cycles_per_mac(kind) for kind, count in work.macs.items())
        return cycles / cpu_khz + work.moved_bytes * self.ns_per_byte / 1e6

    def _cycles_per_mac(self, kind: str) -> float:
        element = kind.rpartition("/")[2]
        if element not in self.cycles_per_mac:
            known = ", ".join(self.cycles_per_mac)
            raise InvalidInput(f"the device model has no figure for {kind} work; it has {known}: convert the network")
        return self.cycles_per_mac[element]

    @classmethod
    def from_content(cls, content: Mapping[str, object], *, what: str) -> WorkTimes:
        """From a table of a TOML file; InvalidInput that names `what` and the field."""
        cycles = field(content, "cycles_per_mac", dict, what=what)
        return cls(
            threads=field(content, "threads", int, what=what),
            cycles_per_mac={name: field(cycles, name, float, what=f"{what}: cycles_per_mac") for name in cycles},
            ns_per_byte=field(content, "ns_per_byte", float, what=what),
        )
