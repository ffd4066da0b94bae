"""A world whose costs add up: what a device, a link and a cloud would measure there, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator, Provenance
from protocol.link import Link
from protocol.measurement import FIGURES, Cost, Measurement

CODEC_SHARE = {Codec.RAW: 1.0, Codec.FP16: 0.5, Codec.INT8_ZSTD: 0.2}
ENCODING = {Codec.RAW: 0.0, Codec.FP16: 1.0, Codec.INT8_ZSTD: 3.0}
TPU_SPEED = {EdgeAccelerator.OFF: 1.0, EdgeAccelerator.STD: 6.0, EdgeAccelerator.MAX: 8.0}


@dataclass(frozen=True)
class World:
    """A network of operators, each with work (ms at 1 GHz) and a share of it that is memory and knows no clock."""

    work: Sequence[float] = (8.0, 20.0, 5.0, 12.0, 30.0, 2.0)
    memory_share: Sequence[float] = (0.25,) * 6
    boundary_bytes: Sequence[int] = (4000, 9000, 9000, 3000, 3000, 500, 0)
    link: Link = field(default_factory=lambda: Link(rtt_ms=2.0, up_bytes_per_ms=500.0, down_bytes_per_ms=800.0))
    idle_known: bool = True

    @property
    def last(self) -> int:
        return len(self.work)

    def head_ms(self, configuration: Configuration) -> float:
        ghz = configuration.cpu_khz / 1e6
        shares = list(zip(self.work, self.memory_share, strict=True))[: configuration.cut]
        speed = TPU_SPEED[configuration.edge_accelerator] * configuration.threads**0.5
        computing = sum(work * (memory + (1 - memory) / ghz) for work, memory in shares) / speed
        memory = self.memory_share[0]
        encoding = ENCODING[configuration.codec] * self.boundary_bytes[configuration.cut] / 4000
        return computing + encoding * (memory + (1 - memory) / ghz)

    def cost(self, configuration: Configuration, kind: Provenance) -> Cost:
        ghz = configuration.cpu_khz / 1e6
        plugged_w = 0.0 if configuration.edge_accelerator is EdgeAccelerator.OFF else 1.0
        head_ms = self.head_ms(configuration)
        sends = configuration.cut < self.last
        up_bytes = round(self.boundary_bytes[configuration.cut] * CODEC_SHARE[configuration.codec]) + 60 if sends else 0
        down_bytes = 40 if sends else 0
        transfer_ms = self.link.transfer_ms(up_bytes, down_bytes) if sends else 0.0
        cloud_speed = 30.0 if configuration.cloud_accelerator is CloudAccelerator.GPU else 10.0
        cloud_ms = sum(self.work[configuration.cut :]) / cloud_speed
        return Cost(
            head_ms=head_ms,
            transfer_ms=transfer_ms,
            cloud_ms=cloud_ms,
            latency_ms=head_ms + transfer_ms + cloud_ms,
            up_bytes=up_bytes,
            down_bytes=down_bytes,
            head_mj=head_ms * (2.5 + ghz + plugged_w),
            wait_mj=(transfer_ms + cloud_ms) * (2.2 + 0.5 * ghz + plugged_w),
            cloud_node_mj=cloud_ms * 50 * cloud_speed,
            cloud_active_mj=cloud_ms * 20 if self.idle_known else None,
            provenance=dict.fromkeys(FIGURES, kind),
        )

    def measure(
        self,
        configurations: Iterable[Configuration],
        *,
        kind: Provenance = Provenance.MEASURED,
        accuracy: float | None = None,
    ) -> list[Measurement]:
        return [
            Measurement(
                configuration=item,
                cost=self.cost(item, kind),
                network="vgg",
                bundle="b" * 64,
                device="pi",
                runtime="fake 1",
                link=self.link,
                at=0.0,
                clock_synced=True,
                accuracy=accuracy,
            )
            for item in configurations
        ]

    def but(self, **changes: object) -> World:
        return replace(self, **changes)


@pytest.fixture
def world() -> World:
    return World()
