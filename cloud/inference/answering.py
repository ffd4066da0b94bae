"""Answering tail requests: what a request says, checked against the manifest, run, and priced."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from cloud.inference.energy import NodeEnergy, NodeMeter
from cloud.inference.tails import Tails
from cloud.store.bundles.port import StoredBundle
from models.manifest import Manifest
from protocol.configuration import Codec, Provenance, choose
from protocol.documents import checked
from protocol.errors import InvalidInput
from protocol.inference import Message, select_outputs
from protocol.tensors import Array, Tensor, TensorSpec, decode


@dataclass(frozen=True)
class TailRequest:
    """The parameters of a tail request.

    `remaining_ms` is what the caller's deadline leaves, None without one; plain clients may call it `deadline_ms`.
    """

    cut: int
    bundle: str
    codec: Codec
    remaining_ms: float | None

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> TailRequest:
        """Without parameters the whole network runs, on plain inputs: what any client of the protocol expects."""
        name = "remaining_ms" if "remaining_ms" in parameters else "deadline_ms"
        remaining = parameters.get(name)
        return cls(
            cut=checked(parameters.get("cut", 0), int, what="parameter 'cut'"),
            bundle=checked(parameters.get("bundle", ""), str, what="parameter 'bundle'"),
            codec=choose(Codec, parameters.get("codec", Codec.RAW), what="parameter 'codec'"),
            remaining_ms=None if remaining is None else checked(remaining, float, what=f"parameter '{name}'"),
        )

    def patience_s(self, spent_s: float) -> float | None:
        """How long the tail may still take, `spent_s` after the request was there.

        Who comes late already asked to be served late, and waits.
        """
        if self.remaining_ms is None or self.remaining_ms <= 0:
            return None
        return max(0.0, self.remaining_ms / 1000 - spent_s)


@dataclass(frozen=True)
class Answer:
    """A reply, and how long its tail waited and ran."""

    reply: Message
    waited_s: float
    ran_s: float


class Answering:
    """Answers tail requests. Thread-safe."""

    def __init__(self, tails: Tails, node: NodeMeter, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._tails = tails
        self._node = node
        self._clock = clock

    def now_s(self) -> float:
        """The clock that `started_s` is read from."""
        return self._clock()

    def answer(
        self, message: Message, request: TailRequest, *, bundle: StoredBundle, manifest: Manifest, started_s: float
    ) -> Answer:
        """The tail's outputs, with what they cost since `started_s`. InvalidInput for what does not fit the manifest."""
        if request.cut == manifest.operator_count:
            raise InvalidInput(f"cut {request.cut} is edge-only for {manifest.network}: nothing is left for the cloud")
        with self._node.window() as window:
            boundary = decoded_boundary(message.tensors, manifest.cut(request.cut).boundary, request.codec)
            patience_s = request.patience_s(self._clock() - started_s)
            ran = self._tails.run(bundle.digest, request.cut, boundary, patience_s=patience_s)
            cloud_ms = (self._clock() - started_s) * 1000
            cost = _told(cloud_ms, window.spent())
        reply = Message(
            tensors=select_outputs(ran.outputs, message.outputs),
            parameters={"bundle": bundle.digest, **cost},
            id=message.id,
            binary_outputs=message.binary_outputs,
            json_outputs=message.json_outputs,
            model_name=bundle.network,
            model_version=str(bundle.version),
        )
        return Answer(reply, ran.waited_s, ran.ran_s)


def _told(cloud_ms: float, spent: NodeEnergy) -> dict[str, Any]:
    return {
        "cloud_ms": cloud_ms,
        "cloud_node_mj": spent.node_mj,
        **({} if spent.active_mj is None else {"cloud_active_mj": spent.active_mj}),
        "cloud_ms_provenance": str(Provenance.MEASURED),
        "cloud_energy_provenance": str(spent.provenance),
    }


def decoded_boundary(tensors: Sequence[Tensor], specs: Sequence[TensorSpec], codec: Codec) -> list[Array]:
    """The boundary in the manifest's order, as the network wants it; missing and surplus tensors are InvalidInput."""
    by_name = {tensor.name: tensor for tensor in tensors}
    wanted = [spec.name for spec in specs]
    if by_name.keys() != set(wanted):
        _refuse_names(by_name, wanted)
    return [decode(by_name[spec.name], spec, codec) for spec in specs]


def _refuse_names(by_name: Collection[str], wanted: Collection[str]) -> NoReturn:
    if missing := [name for name in wanted if name not in by_name]:
        raise InvalidInput(f"tensor '{missing[0]}' is missing; this cut takes {', '.join(wanted)}")
    surplus = next(name for name in by_name if name not in wanted)
    raise InvalidInput(f"tensor '{surplus:.60}' is unknown; this cut takes {', '.join(wanted)}")
