"""What the parameters of a job say, by its kind: checked where a job is made, and again where it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocol import documents
from protocol.configuration import Codec, Configuration, choose
from protocol.errors import InvalidInput
from protocol.topics import check_name

_MOST_REPEATS = 10_000


@dataclass(frozen=True)
class ProfileOrder:
    """Measure a network `repeats` times in each configuration. Without `configurations` the device plans them for these
    codecs from the clocks and accelerators that it has (`planner.profiling`)."""

    network: str
    bundle: str
    codecs: tuple[Codec, ...]
    repeats: int
    configurations: tuple[Configuration, ...] = ()

    def to_json(self) -> dict[str, Any]:
        planned = {"configurations": [each.to_json() for each in self.configurations]} if self.configurations else {}
        return {
            "network": self.network,
            "bundle": self.bundle,
            "codecs": [codec.value for codec in self.codecs],
            "repeats": self.repeats,
            **planned,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ProfileOrder:
        """InvalidInput that names the parameter which cannot be used."""
        what = "profile job"
        given = {"codecs": [], "configurations": [], **content}
        codecs = documents.field(given, "codecs", list, what=what)
        listed = documents.field(given, "configurations", list, what=what)
        repeats = documents.field(given, "repeats", int, what=what)
        if not 1 <= repeats <= _MOST_REPEATS:
            raise InvalidInput(f"{what}: 'repeats' must lie between 1 and {_MOST_REPEATS}, not {repeats}")
        if not codecs and not listed:
            raise InvalidInput(f"{what} needs 'codecs' to plan with (such as raw), or 'configurations'")
        return cls(
            network=check_name(documents.field(given, "network", str, what=what), what="network"),
            bundle=documents.field(given, "bundle", str, what=what),
            codecs=tuple(dict.fromkeys(choose(Codec, codec, what=f"{what}: a codec") for codec in codecs)),
            repeats=repeats,
            configurations=tuple(Configuration.from_json(each, what=f"{what}: a configuration") for each in listed),
        )


def pushed_network(parameters: Mapping[str, Any]) -> str:
    """The network whose desired table a `push` job is about; InvalidInput where it names none."""
    return check_name(documents.field(parameters, "network", str, what="push job"), what="network")
