"""One request as it is run, and how that went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.runners.port import RunnerKey, RunnerLost
from models.bundle import Bundle
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.measurement import Cost
from protocol.tensors import Array


@dataclass(frozen=True, eq=False)
class Task:
    """One request with the configuration that was chosen for it.

    `due_s` is when it must be done to leave in time (monotonic), None without a deadline. `cloud_ms` is what the round trip is
    expected to take, `head_ms` the head, and `tail_ms` what the tail would take on the device, 0 where nobody knows.
    `strict`: only this configuration, no way out. `measured`: it is to be measured, so at no other clock and not while the
    device is slowed down. `may_send_inputs`: whether the inputs themselves may leave the device. `request_id`: what the
    cloud's log is to call it.
    """

    bundle: Bundle
    configuration: Configuration
    inputs: Sequence[Array]
    due_s: float | None = None
    cloud_ms: float = 0.0
    tail_ms: float = 0.0
    head_ms: float = 0.0
    strict: bool = False
    measured: bool = False
    may_send_inputs: bool = True
    request_id: str = ""

    @property
    def accelerated(self) -> bool:
        return self.configuration.edge_accelerator is not EdgeAccelerator.OFF

    @property
    def head_key(self) -> RunnerKey:
        return RunnerKey(self.bundle.folder, self.configuration.threads, self.configuration.edge_accelerator)

    @property
    def tail_key(self) -> RunnerKey:
        """A tail runs on the CPU, whatever the head ran on."""
        return RunnerKey(self.bundle.folder, self.configuration.threads)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outputs by name, their cost but for the latency, and why it went otherwise than chosen ("": it did not).

    `switched_ms` is how long it took to set the board for it, which is part of no cost but the latency. `throttled`: what was
    to be measured was slowed down at some moment. `lost`: the runner failed, which is why the cloud did it all. `repeated_ms`: what
    it took to run a head again and again for the meter's sake, which is no part of the latency.
    """

    outputs: Mapping[str, Array]
    cost: Cost
    fallback: str = ""
    switched_ms: float = 0.0
    throttled: bool = False
    lost: RunnerLost | None = None
    repeated_ms: float = 0.0
