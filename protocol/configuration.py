"""A configuration: how one request is run. The words for its parts, and for where a figure comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from protocol.documents import field
from protocol.errors import InvalidInput


class EdgeAccelerator(StrEnum):
    """The Edge TPU: not used, with the standard clock, or with the maximum clock (Coral's `std` and `max` libraries)."""

    OFF = "off"
    STD = "std"
    MAX = "max"


class CloudAccelerator(StrEnum):
    """What runs the tail."""

    CPU = "cpu"
    GPU = "gpu"


class Codec(StrEnum):
    """How the boundary travels: element type, and whether the body is compressed with zstd (level 1)."""

    RAW = "raw"
    FP16 = "fp16"
    INT8 = "int8"
    RAW_ZSTD = "raw+zstd"
    FP16_ZSTD = "fp16+zstd"
    INT8_ZSTD = "int8+zstd"

    @property
    def element(self) -> str:
        """`raw`, `fp16` or `int8`."""
        return self.partition("+")[0]

    @property
    def compressed(self) -> bool:
        return self.value.endswith("+zstd")


class Provenance(StrEnum):
    """Where a figure comes from: a meter or clock, a model with an error, or a device that was not there."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    EMULATED = "emulated"


class Account(StrEnum):
    """Whose energy counts: the device; plus what the cloud spends above idle; plus the whole node while it works."""

    EDGE = "edge"
    EDGE_ACTIVE = "edge_active"
    EDGE_NODE = "edge_node"


Choice = TypeVar("Choice", bound=StrEnum)


def choose(kind: type[Choice], value: object, *, what: str) -> Choice:
    """The member of `kind` with this value, or InvalidInput that lists the possible ones."""
    found: Choice | None = _members(kind).get(str(value))
    if found is None:
        raise InvalidInput(f"{what} must be one of {', '.join(kind)}, not {value!r:.40}")
    return found


@cache
def _members(kind: type[Choice]) -> dict[str, Choice]:
    """By value; asking the class itself takes several times as long, and a table asks thousands of times."""
    return {member.value: member for member in kind}


@dataclass(frozen=True)
class Configuration:
    """How one request is run.

    `cut` is the number of operators in the head (0 = cloud-only, the network's operator count = edge-only),
    `cpu_khz` the clock of the device's CPU.
    """

    cut: int
    cpu_khz: int
    edge_accelerator: EdgeAccelerator = EdgeAccelerator.OFF
    cloud_accelerator: CloudAccelerator = CloudAccelerator.CPU
    codec: Codec = Codec.RAW
    threads: int = 1

    def __post_init__(self) -> None:
        if self.cut < 0:
            raise InvalidInput(f"configuration: cut must be 0 or more, not {self.cut}")
        if self.cpu_khz <= 0:
            raise InvalidInput(f"configuration: cpu_khz must be above 0, not {self.cpu_khz}")
        if self.threads < 1:
            raise InvalidInput(f"configuration: threads must be 1 or more, not {self.threads}")

    def __str__(self) -> str:
        return (
            f"cut {self.cut} @ {self.cpu_khz / 1000:.0f} MHz, tpu {self.edge_accelerator}, "
            f"cloud {self.cloud_accelerator}, {self.codec}, {self.threads} thread{'s' if self.threads > 1 else ''}"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "cut": self.cut,
            "cpu_khz": self.cpu_khz,
            "edge_accelerator": self.edge_accelerator.value,
            "cloud_accelerator": self.cloud_accelerator.value,
            "codec": self.codec.value,
            "threads": self.threads,
        }

    @classmethod
    def from_json(cls, content: object, *, what: str = "configuration") -> Configuration:
        if not isinstance(content, Mapping):
            raise InvalidInput(f"{what} must be an object with cut, cpu_khz, …, not {content!r:.60}")
        return cls(
            cut=field(content, "cut", int, what=what),
            cpu_khz=field(content, "cpu_khz", int, what=what),
            edge_accelerator=choose(
                EdgeAccelerator, content.get("edge_accelerator", "off"), what=f"{what}: 'edge_accelerator'"
            ),
            cloud_accelerator=choose(
                CloudAccelerator, content.get("cloud_accelerator", "cpu"), what=f"{what}: 'cloud_accelerator'"
            ),
            codec=choose(Codec, content.get("codec", "raw"), what=f"{what}: 'codec'"),
            threads=field({"threads": 1, **content}, "threads", int, what=what),
        )
