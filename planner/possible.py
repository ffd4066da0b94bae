"""What no measurement can be, wherever it is read from: work in no time, or for nothing."""

from __future__ import annotations

from typing import Protocol

from protocol.errors import InvalidInput


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
    """InvalidInput for a head (there is none at cut 0) or a request to the cloud that took nothing."""
    head, sent = f"the head of cut {cut}", f"a request that sent {spent.up_bytes} bytes"
    if cut and not spent.head_ms:
        raise InvalidInput(f"{head} cannot have taken 0 ms on the device")
    if cut and not spent.edge_mj:
        raise InvalidInput(f"{head} cannot have taken 0 J on the device")
    if spent.up_bytes and not spent.cloud_ms:
        raise InvalidInput(f"{sent} cannot have taken 0 ms in the cloud")
    if (cut or spent.up_bytes) and not spent.latency_ms:
        raise InvalidInput(f"{head if cut else sent} cannot have a latency of 0 ms")
