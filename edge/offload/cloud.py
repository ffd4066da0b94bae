"""Offloading: one round trip to the cloud's tail, its reply checked before anyone believes it."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from hardware.clock import Clock
from planner.choosing.breaker import Breaker
from protocol.configuration import Provenance, choose
from protocol.documents import field
from protocol.errors import DynaSplitError, InvalidInput
from protocol.inference import Message, Wire, unpack_reply
from protocol.tensors import Array, TensorSpec


class CloudFailed(DynaSplitError, ConnectionError):
    """The cloud was away, late, refused, or answered what cannot be used. The request can be finished on the device.

    `sent_bytes`: of bodies, on all attempts together; one that was begun counts whole.
    """

    http_status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 4

    sent_bytes = 0


class CloudLate(CloudFailed, TimeoutError):
    """No answer within the time allowed."""


class AllowanceSpent(CloudFailed):
    """The device may not send so much today; nothing was sent, and the cloud is not to blame."""


@dataclass(frozen=True)
class TailCall:
    """A packed tail request, and what its reply must look like: the bundle's digest and the outputs that are missing."""

    network: str
    bundle: str
    wire: Wire
    outputs: Sequence[TensorSpec]


@dataclass(frozen=True)
class TailReply:
    """The tail's outputs by name, and what the round trip cost: ms, mJ (None: unknown) and body bytes."""

    outputs: Mapping[str, Array]
    round_trip_ms: float
    cloud_ms: float
    cloud_node_mj: float
    cloud_active_mj: float | None
    cloud_ms_provenance: Provenance
    cloud_energy_provenance: Provenance
    up_bytes: int
    down_bytes: int

    @property
    def transfer_ms(self) -> float:
        """The round trip without the cloud's own time."""
        return max(0.0, self.round_trip_ms - self.cloud_ms)


class Ration(Protocol):
    """Counts what is sent. Thread-safe."""

    def check(self, nbytes: int) -> None:
        """Before a connection is made for so many bytes; AllowanceSpent when they may not be sent. Counts nothing."""
        ...

    def take(self, nbytes: int) -> None:
        """Before so many bytes of a body are sent, each time anew; AllowanceSpent when they may not be."""
        ...


class Unlimited:
    """A `Ration` that counts nothing."""

    def check(self, nbytes: int) -> None:
        """They may be sent."""

    def take(self, nbytes: int) -> None:
        """They may be sent."""


class Cloud(Protocol):
    """What runs tails. Thread-safe."""

    def available(self, network: str) -> bool:
        """False while recent attempts say that asking would be in vain."""
        ...

    def tail(self, call: TailCall, *, timeout_ms: float) -> TailReply:
        """Runs a tail, within the time allowed. Raises CloudFailed, and nothing else, with a reason for people."""
        ...


@dataclass(frozen=True)
class Carried:
    """A reply, and how many bytes of bodies were sent for it, on all attempts together."""

    reply: Wire
    sent_bytes: int


class Transport(Protocol):
    """Carries requests there and their replies back. Thread-safe."""

    def post(self, path: str, wire: Wire, *, timeout_s: float) -> Carried:
        """Raises CloudLate after `timeout_s`, CloudFailed for anything but a complete reply with status 200."""
        ...


class RemoteCloud:
    """A `Cloud` behind a transport: measures the round trip, checks the reply, and stops asking one that keeps failing.

    Nothing is asked but for a request: when the pause is over, the next request that wants the cloud tries it, and while
    that one is on its way no other does.
    """

    def __init__(self, transport: Transport, *, clock: Clock = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._breakers: defaultdict[str, Breaker] = defaultdict(Breaker)
        self._asking: Counter[str] = Counter()

    def available(self, network: str) -> bool:
        with self._lock:
            breaker = self._breakers[network]
            return breaker.allows(self._now_ms()) and not (breaker.on_trial and self._asking[network])

    def tail(self, call: TailCall, *, timeout_ms: float) -> TailReply:
        with self._asked(call.network):
            try:
                reply = self._round_trip(call, timeout_s=timeout_ms / 1e3)
            except AllowanceSpent:
                raise
            except CloudFailed:
                with self._lock:
                    self._breakers[call.network] = self._breakers[call.network].failed(self._now_ms())
                raise
            with self._lock:
                self._breakers[call.network] = self._breakers[call.network].succeeded()
            return reply

    @contextmanager
    def _asked(self, network: str) -> Iterator[None]:
        with self._lock:
            self._asking[network] += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking[network] -= 1

    def _round_trip(self, call: TailCall, *, timeout_s: float) -> TailReply:
        sent_s = self._clock()
        carried = self._transport.post(f"/v2/models/{call.network}/infer", call.wire, timeout_s=timeout_s)
        round_trip_ms = (self._clock() - sent_s) * 1e3
        try:
            return checked_reply(carried, call, round_trip_ms=round_trip_ms)
        except InvalidInput as error:
            failure = CloudFailed(f"the cloud's answer makes no sense: {error}")
            failure.sent_bytes = carried.sent_bytes
            raise failure from error

    def _now_ms(self) -> float:
        return self._clock() * 1e3


def checked_reply(carried: Carried, call: TailCall, *, round_trip_ms: float) -> TailReply:
    """The reply when it is for this bundle, has just the missing outputs, and sane figures; InvalidInput otherwise."""
    wire = carried.reply
    message = unpack_reply(wire.headers, wire.body)
    parameters = message.parameters
    if parameters.get("bundle") != call.bundle:
        raise InvalidInput(f"it is for bundle {parameters.get('bundle')!s:.12}, not {call.bundle:.12}")
    cloud_ms = _figure(parameters, "cloud_ms")
    if cloud_ms > round_trip_ms:
        raise InvalidInput(f"cloud_ms {cloud_ms:g} is more than the whole round trip of {round_trip_ms:g} ms")
    return TailReply(
        outputs=_outputs(message, call.outputs),
        round_trip_ms=round_trip_ms,
        cloud_ms=cloud_ms,
        cloud_node_mj=_figure(parameters, "cloud_node_mj"),
        cloud_active_mj=_figure(parameters, "cloud_active_mj") if "cloud_active_mj" in parameters else None,
        cloud_ms_provenance=_provenance(parameters, "cloud_ms_provenance"),
        cloud_energy_provenance=_provenance(parameters, "cloud_energy_provenance"),
        up_bytes=carried.sent_bytes,
        down_bytes=len(wire.body),
    )


def _outputs(message: Message, specs: Sequence[TensorSpec]) -> Mapping[str, Array]:
    return dict(zip((spec.name for spec in specs), message.by_name(specs), strict=True))


def _figure(parameters: Mapping[str, Any], name: str) -> float:
    value: float = field(parameters, name, float, what="its parameters")
    if value < 0 or not math.isfinite(value):
        raise InvalidInput(f"{name} must be 0 or more, not {value}")
    return value


def _provenance(parameters: Mapping[str, Any], name: str) -> Provenance:
    return choose(Provenance, parameters.get(name), what=name)


class FakeCloud:
    """A `Cloud` in memory: `answer` is the tail, and time passes on the clock through `sleep`.

    `answer` takes the call and gives the outputs; where the time does not suffice, just that time passes. `failure` is
    raised by every call while it is set, `away_for` names the networks for which the cloud is not available, and `ration`
    counts what is sent.
    """

    def __init__(
        self,
        answer: Callable[[TailCall], Mapping[str, Array]],
        *,
        sleep: Callable[[float], None],
        transfer_ms: float = 5.0,
        cloud_ms: float = 2.0,
        cloud_node_mj: float = 40.0,
    ) -> None:
        self._answer = answer
        self._sleep = sleep
        self.transfer_ms = transfer_ms
        self.cloud_ms = cloud_ms
        self.cloud_node_mj = cloud_node_mj
        self.failure: CloudFailed | None = None
        self.away_for: set[str] = set()
        self.ration: Ration = Unlimited()
        self.calls = 0

    def available(self, network: str) -> bool:
        return network not in self.away_for

    def tail(self, call: TailCall, *, timeout_ms: float) -> TailReply:
        self.ration.take(len(call.wire.body))
        self.calls += 1
        if self.failure is not None:
            self.failure.sent_bytes = len(call.wire.body)
            raise self.failure
        round_trip_ms = self.transfer_ms + self.cloud_ms
        self._sleep(min(round_trip_ms, timeout_ms) / 1e3)
        if round_trip_ms > timeout_ms:
            late = CloudLate(f"the cloud did not answer within {timeout_ms:.0f} ms")
            late.sent_bytes = len(call.wire.body)
            raise late
        outputs = self._answer(call)
        return TailReply(
            outputs=outputs,
            round_trip_ms=round_trip_ms,
            cloud_ms=self.cloud_ms,
            cloud_node_mj=self.cloud_node_mj,
            cloud_active_mj=None,
            cloud_ms_provenance=Provenance.EMULATED,
            cloud_energy_provenance=Provenance.EMULATED,
            up_bytes=len(call.wire.body),
            down_bytes=sum(array.nbytes for array in outputs.values()),
        )
