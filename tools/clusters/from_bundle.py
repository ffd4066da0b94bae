"""The honest problem: a bundle's pieces on the nodes of a cluster, with what each takes there in time, memory and watts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.requests.codec_work import encoded_bytes, encoding_work
from models.bundle import Bundle
from models.manifest import Manifest
from models.stages import PieceMemory, crossing, piece_memory, piece_works
from planner.pipeline.instance import Codec as PlanCodec
from planner.pipeline.instance import Floats, Instance, Node, Pieces
from protocol.configuration import Codec, Provenance
from protocol.errors import InvalidInput
from protocol.pipeline_plan import PlanNode
from tools.clusters.boards import NodeModel, node_model
from tools.clusters.cluster import Cluster
from tools.clusters.measured import MeasuredDevice
from tools.clusters.problem import Kinds, Origin, Problem


@dataclass(frozen=True, eq=False)
class Wanted:
    """A bundle for a cluster. `codecs` may write what crosses a cut; `devices` were measured, by name.

    A device stands for the node of its name, for nodes with the same board as that one, and for those with a board of its name.
    """

    bundle: Bundle
    cluster: Cluster
    codecs: tuple[Codec, ...] = (Codec.RAW,)
    devices: Mapping[str, MeasuredDevice] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A node with what its pieces [P] take, and coding at each point [C, P+1]."""

    node: Node
    plan_node: PlanNode
    compute_s: Floats
    coding_s: Floats
    kinds: Kinds
    power_kinds: Kinds | None


def problem_of(wanted: Wanted, *, name: str) -> Problem:
    """The problem of placing the bundle on the cluster. InvalidInput for a node of which nobody knows how fast it is."""
    manifest, cluster = wanted.bundle.manifest, wanted.cluster
    memory = piece_memory(wanted.bundle)
    placed = [_placed(wanted, number) for number in range(len(cluster.nodes))]
    transfer, notes = _transfer_bytes(wanted)
    instance = Instance(
        name=name,
        pieces=Pieces(
            tuple(point.name for point in manifest.cut_points),
            np.array(memory.weight_bytes, dtype=np.float64),
            np.array(memory.peak_bytes, dtype=np.float64),
        ),
        codecs=tuple(
            PlanCodec(codec.value, transfer[index], coding, coding)
            for index, codec in enumerate(wanted.codecs)
            for coding in [np.stack([each.coding_s[index] for each in placed])]
        ),
        nodes=tuple(each.node for each in placed),
        compute_s=np.stack([each.compute_s for each in placed]),
        rate=cluster.rate,
        rate_in=cluster.rate_in,
        rate_out=cluster.rate_out,
        medium=cluster.medium,
    )
    return Problem(
        instance,
        tuple(node.name for node in cluster.nodes),
        compute_kinds=tuple(each.kinds for each in placed),
        power_kinds=tuple(each.power_kinds for each in placed),
        notes=(*notes, *_shared(memory)),
        origin=Origin(manifest.network, wanted.bundle.digest, manifest.cuts, tuple(each.plan_node for each in placed)),
    )


def _placed(wanted: Wanted, number: int) -> _Placed:
    entry, manifest = wanted.cluster.nodes[number], wanted.bundle.manifest
    model, device = node_model(entry), _device(wanted, number)
    clock_khz = model.clock_khz if model.clock_khz or not device else device.highest_khz
    coding_s = np.array([_coding_s(manifest, codec, model) for codec in wanted.codecs])
    if device:
        compute_s, kinds = _from_heads(manifest, device, model, clock_khz or device.highest_khz)
    else:
        compute_s, kinds = _from_model(manifest, model)
    watts = model.watts
    position = entry.position_m
    return _Placed(
        Node(
            entry.name,
            entry.memory_bytes,
            idle_w=watts.idle_w if watts else 0.0,
            busy_w=watts.busy_w if watts else 0.0,
            send_w=entry.send_w,
            receive_w=entry.receive_w,
            position_m=position,
        ),
        PlanNode(entry.name, clock_khz, entry.threads),
        compute_s,
        coding_s,
        kinds,
        frozenset({watts.kind}) if watts else None,
    )


def _device(wanted: Wanted, number: int) -> MeasuredDevice | None:
    """The measured device that stands for a node."""
    nodes, devices = wanted.cluster.nodes, wanted.devices
    node = nodes[number]
    alike = [other.name for other in nodes if node.board is not None and other.board == node.board]
    named = [name for name in (node.name, node.board, *alike) if name in devices]
    return devices[named[0]] if named and named[0] is not None else None


def _from_model(manifest: Manifest, model: NodeModel) -> tuple[Floats, Kinds]:
    return np.array([model.seconds(work) for work in piece_works(manifest)]), frozenset({model.kind})


def _from_heads(manifest: Manifest, device: MeasuredDevice, model: NodeModel, clock_khz: int) -> tuple[Floats, Kinds]:
    """A piece takes what the head behind it takes longer than the one before it, once what encoding takes is off.

    A head that seems shorter than one that it contains is noise, and counts as no longer.
    """
    try:
        heads = device.heads(manifest.cuts, clock_khz, model.node.threads)
    except InvalidInput as error:
        raise InvalidInput(f"node {model.node.name}, measured as {device.name}: {error}") from error
    encoding_s = [0.0, *_coding_s(manifest, Codec.RAW, model)[1:-1], 0.0]
    until = np.maximum.accumulate(np.concatenate(([0.0], heads.seconds - np.array(encoding_s[1:]))))
    kinds = heads.kinds | ({Provenance.ESTIMATED} if any(encoding_s) else set())
    return np.diff(until), frozenset(kinds)


def _coding_s(manifest: Manifest, codec: Codec, model: NodeModel) -> list[float]:
    """Seconds to encode, and as many to decode, what crosses each point: the same bytes are streamed.

    Where nothing tells how fast a board streams, what was measured of its heads holds the encoding.
    """
    if model.times is None or model.clock_khz is None:
        return [0.0] * len(manifest.cuts)
    return [
        model.times.time_ms(encoding_work(crossing(manifest, cut), codec), model.clock_khz) / 1e3
        for cut in manifest.cuts
    ]


def _transfer_bytes(wanted: Wanted) -> tuple[Floats, list[str]]:
    """[C, P+1]: what crosses each point as each codec writes it, the ends always as they are; and what to say of it."""
    manifest, notes = wanted.bundle.manifest, []
    sizes = np.empty((len(wanted.codecs), len(manifest.cuts)))
    for row, codec in enumerate(wanted.codecs):
        inner = [_sent_bytes(wanted, cut, codec) for cut in manifest.cuts[1:-1]]
        bound = [_encoded(manifest, cut, codec) for cut in manifest.cuts[1:-1]]
        ends = [_encoded(manifest, cut, Codec.RAW) for cut in (0, manifest.operator_count)]
        known = [limit if size is None else size for size, limit in zip(inner, bound, strict=True)]
        sizes[row] = [ends[0], *known, ends[1]]
        if unknown := sum(size is None for size in inner):
            notes.append(f"{codec}: at {unknown} cuts nobody measured what zstd leaves, so that it counts as all")
    return sizes, notes


def _sent_bytes(wanted: Wanted, cut: int, codec: Codec) -> float | None:
    """What crosses a cut; None where zstd makes it depend on the data, and nobody measured it."""
    manifest = wanted.bundle.manifest
    if not codec.compressed:
        return _encoded(manifest, cut, codec)
    measured = [size for device in wanted.devices.values() if (size := device.sent_bytes(cut, codec)) is not None]
    passed = crossing(manifest, cut)[len(manifest.cut(cut).boundary) :]
    return max(measured) + sum(spec.nbytes for spec in passed) if measured else None


def _encoded(manifest: Manifest, cut: int, codec: Codec) -> float:
    return float(sum(encoded_bytes(spec, codec) for spec in crossing(manifest, cut)))


def _shared(memory: PieceMemory) -> Sequence[str]:
    if not memory.shared_bytes:
        return ()
    return (f"{memory.shared_bytes:,} bytes of weights are read by several pieces, and count for each of them",)
