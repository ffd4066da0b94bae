"""The space: every way to run a network on a device that makes a difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import TypeVar

from planner.averages import usable
from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator
from protocol.errors import InvalidInput
from protocol.measurement import Measurement

Member = TypeVar("Member", bound=StrEnum)


@dataclass(frozen=True)
class Space:
    """All configurations of a network on a device: each cut at each clock with each codec and accelerator.

    Cut 0 is cloud-only, the highest cut is edge-only. What makes no difference is not varied: an edge-only run has
    neither codec nor cloud accelerator, a cloud-only run computes nothing on the device but the encoding.

    `boundaries`: what is sent and comes back (bytes) at a cut with a codec, as far as the network tells it without a run.
    """

    cuts: tuple[int, ...]
    clocks_khz: tuple[int, ...]
    codecs: tuple[Codec, ...] = (Codec.RAW,)
    accelerators: tuple[EdgeAccelerator, ...] = (EdgeAccelerator.OFF,)
    cloud_accelerators: tuple[CloudAccelerator, ...] = (CloudAccelerator.CPU,)
    threads: tuple[int, ...] = (1,)
    boundaries: Mapping[tuple[int, Codec], tuple[int, int]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name in ("cuts", "clocks_khz", "codecs", "accelerators", "cloud_accelerators", "threads"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise InvalidInput(f"space: {name} needs at least one value and each only once, not {list(values)}")

    @classmethod
    def seen_in(cls, measurements: Sequence[Measurement]) -> Space:
        """The smallest space that holds all configurations that were measured and not throttled.

        InvalidInput where the highest cut sends something: without an edge-only run, whatever a device does needs the
        cloud.
        """
        kept = usable(measurements)
        seen = [item.configuration for item in kept]
        last = max(configuration.cut for configuration in seen)
        if any(item.cost.up_bytes for item in kept if item.configuration.cut == last):
            raise InvalidInput(
                f"no edge-only run was measured (cut {last}, the highest one, sends something); "
                "profile the whole network on the device too, or nothing answers while the cloud is away"
            )
        choices = [item for item in seen if item.cut < last] or seen
        return cls(
            cuts=tuple(sorted({item.cut for item in seen})),
            clocks_khz=tuple(sorted({item.cpu_khz for item in seen})),
            codecs=_members(Codec, (item.codec for item in choices)),
            accelerators=_members(EdgeAccelerator, (item.edge_accelerator for item in seen)),
            cloud_accelerators=_members(CloudAccelerator, (item.cloud_accelerator for item in choices)),
            threads=tuple(sorted({item.threads for item in seen})),
        )

    @property
    def edge_only_cut(self) -> int:
        return max(self.cuts)

    @property
    def size(self) -> int:
        """The number of configurations."""
        return sum(1 for _ in self.configurations())

    def configurations(self) -> Iterator[Configuration]:
        """All of them, by cut and clock."""
        return (configuration for cut in self.cuts for configuration in self._of_cut(cut))

    def _of_cut(self, cut: int) -> Iterator[Configuration]:
        computes, sends = cut > 0, cut < self.edge_only_cut
        idle = EdgeAccelerator.OFF if EdgeAccelerator.OFF in self.accelerators else self.accelerators[0]
        sides = product(
            self.clocks_khz,
            self.accelerators if computes else (idle,),
            self.threads if computes else (min(self.threads),),
            self.codecs if sends else (Codec.RAW,),
            self.cloud_accelerators if sends else (CloudAccelerator.CPU,),
        )
        for cpu_khz, accelerator, threads, codec, cloud in sides:
            yield Configuration(cut, cpu_khz, accelerator, cloud, codec, threads)


def _members(kind: type[Member], seen: Iterable[Member]) -> tuple[Member, ...]:
    """Those that were seen, in the order in which the kind lists them."""
    found = set(seen)
    return tuple(member for member in kind if member in found)
