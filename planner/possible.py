"""What no measurement can be, wherever it is read from: work in no time, or for nothing."""

from __future__ import annotations

from typing import Protocol

from protocol.errors import InvalidInput

LEAST = 1e-6
"""No work takes less, in ms and mJ: a nanosecond, a nanojoule."""


class Spent(Protocol):
    """What a request took: times in ms, the device's energy in mJ, bytes to the cloud."""

    @property
    def head_ms(self) -> float: ...
    @property
    def cloud_ms(self) -> float: ...
    @property
    def latency_ms(self) -> float: ...
    @property
    def edge_mj(self) -> float: ...
    @property
    def up_bytes(self) -> int: ...


def check_possible(cut: int, spent: Spent) -> None:
    """InvalidInput for a head (there is none at cut 0) or a request to the cloud that took nothing, or less than `LEAST`."""
    head, sent = f"the head of cut {cut}", f"a request that sent {spent.up_bytes} bytes"
    if cut and spent.head_ms < LEAST:
        raise InvalidInput(f"{head} cannot have taken {spent.head_ms:g} ms on the device")
    if cut and spent.edge_mj < LEAST:
        raise InvalidInput(f"{head} cannot have taken {spent.edge_mj / 1000:g} J on the device")
    if spent.up_bytes and spent.cloud_ms < LEAST:
        raise InvalidInput(f"{sent} cannot have taken {spent.cloud_ms:g} ms in the cloud")
    if (cut or spent.up_bytes) and spent.latency_ms < LEAST:
        raise InvalidInput(f"{head if cut else sent} cannot have a latency of {spent.latency_ms:g} ms")
