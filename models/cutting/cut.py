"""Cutting: one flatbuffer whose signatures are the heads and tails at every chosen cut point, over shared weights.

`head_<k>` holds operators [0, k), `tail_<k>` the rest, `whole` all of them. Network inputs are called `i0`, `i1`, …,
network outputs `o0`, `o1`, …, boundary tensors `b0`, `b1`, … in the order of their index in the network. A head gives only
what it computes: a boundary tensor that is an input of the network passes beside it (`CutPoint.from_inputs`), and an
output that also crosses is given once, as boundary (`CutPoint.outputs_in_boundary`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ai_edge_litert import schema_py_generated as schema

from models.cutting.subgraph_writer import Part, SubgraphWriter
from models.manifest import CutPoint, Manifest, Scaling
from models.network import tflite
from models.network.graph import Graph
from models.signatures import WHOLE, head_signature, tail_signature
from protocol.errors import InvalidInput

Cuts = str | Sequence[int]


def choose_cuts(graph: Graph, cuts: Cuts = "single") -> tuple[int, ...]:
    """The cut points between input and output: `single` (one boundary tensor), `all`, or those that are listed.

    InvalidInput where the network cannot be cut at all, and for a listed one that makes no sense, with those that do.
    """
    if graph.obstacle:
        raise InvalidInput(f"{graph.what}: {graph.obstacle}")
    possible = tuple(cut for cut in range(1, graph.operator_count) if graph.is_cut_point(cut))
    if cuts == "all":
        return possible
    if cuts == "single":
        return tuple(cut for cut in possible if len(graph.boundary(cut)) == 1)
    if isinstance(cuts, str):
        raise InvalidInput(f"cuts must be 'single', 'all' or a list of cut points, not {cuts!r:.40}")
    wrong = sorted(set(cuts) - {0, graph.operator_count, *possible})
    if wrong:
        raise InvalidInput(
            f"{graph.what} cannot be cut at {_listed(wrong)}; possible are {_listed(possible)}. "
            f"At {wrong[0]}: {graph.obstacle_at(wrong[0])}"
        )
    return tuple(sorted(set(cuts) - {0, graph.operator_count}))


def check_layout(graph: Graph, scaling: Scaling | None) -> None:
    """InvalidInput where the network's (first) input shows that its images have another layout."""
    if scaling:
        scaling.check_layout(graph.tensors[next(iter(graph.inputs.values()))].shape, what=f"the card of {graph.what}")


def cut_point(graph: Graph, cut: int) -> CutPoint:
    """What the manifest says of one cut point."""
    boundary = graph.boundary(cut)
    place = {index: f"b{position}" for position, index in enumerate(boundary)}
    finished = graph.finished_outputs(cut)
    return CutPoint(
        index=cut,
        name=graph.cut_name(cut),
        boundary=tuple(graph.spec(index, name) for index, name in place.items()),
        finished_outputs=finished,
        from_inputs={place[index]: name for name, index in graph.inputs.items() if index in place},
        outputs_in_boundary={name: place[graph.outputs[name]] for name in finished if graph.outputs[name] in place},
    )


def manifest_of(graph: Graph, cuts: tuple[int, ...], *, name: str) -> Manifest:
    """What a bundle of this network with these cut points says, but for its artifacts."""
    return Manifest(
        network=name,
        network_digest=graph.digest,
        operators=tuple(operator.work for operator in graph.operators),
        inputs=tuple(graph.spec(index, tensor) for tensor, index in graph.inputs.items()),
        outputs=tuple(graph.spec(index, tensor) for tensor, index in graph.outputs.items()),
        cut_points=tuple(cut_point(graph, cut) for cut in (0, *cuts, graph.operator_count)),
    )


def cut_network(graph: Graph, cuts: Iterable[int]) -> bytes:
    """The flatbuffer of all signatures for these cut points; the same network and cuts give the same bytes."""
    model = graph.model
    writer = SubgraphWriter(graph)
    parts = [whole_part(graph), *(part for cut in cuts for part in (head_part(graph, cut), tail_part(graph, cut)))]
    first, *rest = [writer.subgraph(part) for part in parts]
    numbers = [0, *range(len(model.subgraphs), len(model.subgraphs) + len(rest))]
    result = schema.ModelT(
        version=model.version,
        operatorCodes=writer.operator_codes,
        subgraphs=[first, *model.subgraphs[1:], *rest],
        description=model.description,
        buffers=writer.buffers,
        metadata=model.metadata,
        signatureDefs=[writer.signature(part, number) for part, number in zip(parts, numbers, strict=True)],
    )
    return tflite.pack(result)


def whole_part(graph: Graph) -> Part:
    """All operators."""
    outputs = {f"o{place}": index for place, index in enumerate(graph.outputs.values())}
    return _part(graph, WHOLE, range(graph.operator_count), _input_names(graph), outputs)


def head_part(graph: Graph, cut: int) -> Part:
    """The operators before the cut."""
    inputs, boundary = set(graph.inputs.values()), graph.boundary(cut)
    made = {f"b{place}": index for place, index in enumerate(boundary) if index not in inputs}
    finished = graph.finished_outputs(cut)
    kept = {f"o{place}": index for place, (name, index) in enumerate(graph.outputs.items()) if name in finished}
    kept = {name: index for name, index in kept.items() if index not in boundary}
    return _part(graph, head_signature(cut), range(cut), _input_names(graph), made | kept)


def tail_part(graph: Graph, cut: int) -> Part:
    """The operators after the cut."""
    finished = graph.finished_outputs(cut)
    made = {f"o{place}": index for place, (name, index) in enumerate(graph.outputs.items()) if name not in finished}
    boundary = {f"b{place}": index for place, index in enumerate(graph.boundary(cut))}
    return _part(graph, tail_signature(cut), range(cut, graph.operator_count), boundary, made)


def _input_names(graph: Graph) -> Mapping[str, int]:
    return {f"i{place}": index for place, index in enumerate(graph.inputs.values())}


def _part(graph: Graph, signature: str, span: range, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Part:
    """The operators of a span that do work, and before them those that only prepare constants for them."""
    needed: set[int] = set()
    chosen: list[int] = []
    for operator in reversed(graph.operators):
        if operator.known_shape:
            continue
        repeated = operator.derived and (not operator.outputs or bool(needed & set(operator.outputs)))
        if repeated or (not operator.derived and operator.index in span):
            chosen.append(operator.index)
            needed |= set(operator.inputs)
    used = {name: index for name, index in inputs.items() if index in needed}
    return Part(signature, tuple(reversed(chosen)), used, outputs)


def _listed(cuts: Iterable[int]) -> str:
    return ", ".join(map(str, cuts)) or "none"
