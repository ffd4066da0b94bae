"""Which cut points of two files of one model are the same place: an int8 and an fp32 one number their operators differently.

Boundaries are matched by the converter's tensor names. QUANTIZE and DEQUANTIZE give another form of a tensor, not another
tensor, so their results go by the name of what they were made from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.network.graph import Graph
from models.network.layers import layer_name
from models.network.operator_work import Tensor
from protocol.errors import InvalidInput

_FORMS = ("QUANTIZE", "DEQUANTIZE")
_QUANTIZED = ("INT8", "UINT8", "INT16")
_CHOOSING = ("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "ARG_MAX", "ARG_MIN")
"""What makes an answer of scores: int8 rounds small probabilities to 0, and the highest of close scores is chance."""
_SUFFIX = re.compile(r"(_(de)?quant(ized)?|:\d+)$")


@dataclass(frozen=True)
class Match:
    """The same place in both networks: after `head` operators of the one and `tail` of the other.

    `tensors` maps each boundary tensor of the head's network, in its order there, to that of the tail's.
    """

    head: int
    tail: int
    tensors: Mapping[int, int]


def check_ends(head: Graph, tail: Graph) -> None:
    """InvalidInput unless both networks take and give as many tensors of the same shapes."""
    for side in ("inputs", "outputs"):
        shapes = [
            [list(graph.tensors[index].shape) for index in getattr(graph, side).values()] for graph in (head, tail)
        ]
        if shapes[0] != shapes[1]:
            raise InvalidInput(
                f"{head.what} and {tail.what} are not of one model: their {side} are {shapes[0]} and {shapes[1]}"
            )
    pairs = [*zip(head.inputs.values(), tail.inputs.values(), strict=True)]
    pairs += zip(head.outputs.values(), tail.outputs.values(), strict=True)
    for one, other in pairs:
        if not fits(head.tensors[one], tail.tensors[other]):
            kinds = f"{head.tensors[one].type_name} there, {tail.tensors[other].type_name} here"
            raise InvalidInput(f"{head.what} cannot be the head of {tail.what}: '{head.tensors[one].name}' is {kinds}")


def fits(head: Tensor, tail: Tensor) -> bool:
    """Whether what the head gives can be given to the tail: the same type, or a quantised one for a float."""
    if head.shape != tail.shape:
        return False
    return needs_dequantizing(head, tail) or (head.type_name == tail.type_name and not (head.scale or tail.scale))


def needs_dequantizing(head: Tensor, tail: Tensor) -> bool:
    """Whether the head gives a quantised tensor where the tail takes a float."""
    return head.type_name in _QUANTIZED and head.scale > 0 and tail.type_name == "FLOAT32"


def candidates(head: Graph, tail: Graph) -> dict[int, list[Match]]:
    """By cut point of the head's network, the places of the tail's that have the names of its boundary, the likeliest first.

    Only cut points between operators; a tail may begin at the other network's input, where the head has only quantised it.
    """
    names = {index: _names(tail, index) for cut in _cuts(tail) for index in tail.boundary(cut)}
    found: dict[int, list[Match]] = {}
    for cut in range(1, head.operator_count):
        if not head.is_cut_point(cut):
            continue
        wanted = {index: _names(head, index) for index in head.boundary(cut)}
        ranked = [
            (rank, Match(cut, other, tensors))
            for other in _cuts(tail)
            if _same_outputs(head, cut, tail, other)
            for rank, tensors in _paired(head, wanted, tail, {index: names[index] for index in tail.boundary(other)})
        ]
        if ranked:
            found[cut] = [match for _, match in sorted(ranked, key=lambda pair: (pair[0], pair[1].tail))]
    return found


def in_order(matches: Sequence[Match]) -> tuple[Match, ...]:
    """Those whose place in the tail's network never goes back."""
    kept: list[Match] = []
    for match in matches:
        if not kept or match.tail >= kept[-1].tail:
            kept.append(match)
    return tuple(kept)


def is_inside(head: Graph, match: Match) -> bool:
    """Whether something that was computed crosses: that both take the same input says nothing of them."""
    return any(_origin(head, index) not in head.inputs.values() for index in match.tensors)


def scores(head: Graph, tail: Graph) -> dict[str, tuple[int, int]]:
    """What both give, by the name of the head's output: where a softmax or its kin comes last, what goes into it.

    Without outputs that still are whole numbers, such as places in a list: how near those are says nothing.
    """
    found: dict[str, tuple[int, int]] = {}
    for (name, one), other in zip(head.outputs.items(), tail.outputs.values(), strict=True):
        pair = _origin(head, one, _FORMS + _CHOOSING), _origin(tail, other, _FORMS + _CHOOSING)
        tensors = head.tensors[pair[0]], tail.tensors[pair[1]]
        if tensors[0].shape != tensors[1].shape:  # only one of them ends in a softmax of its own
            pair, tensors = (one, other), (head.tensors[one], tail.tensors[other])
        if all(tensor.scale or tensor.type_name.startswith("FLOAT") for tensor in tensors):
            found[name] = pair
    return found


def _cuts(graph: Graph) -> Iterator[int]:
    yield 0
    yield from (cut for cut in range(1, graph.operator_count) if graph.is_cut_point(cut))


def _paired(
    head: Graph, wanted: Mapping[int, Sequence[str]], tail: Graph, there: Mapping[int, Sequence[str]]
) -> Iterator[tuple[int, Mapping[int, int]]]:
    """Each wanted tensor with the one that bears its name, and how exact the names are; nothing where any is left over."""
    if len(wanted) != len(there):
        return
    pairs: dict[int, int] = {}
    worst = 0
    for index, names in wanted.items():
        ranks = [
            (rank, other)
            for other, others in there.items()
            if other not in pairs.values() and fits(head.tensors[index], tail.tensors[other])
            for rank, (one, two) in enumerate(zip(names, others, strict=True))
            if one and one == two
        ]
        if not ranks:
            return
        rank, pairs[index] = min(ranks)
        worst = max(worst, rank)
    yield worst, pairs


def _names(graph: Graph, index: int) -> tuple[str, str, str]:
    """A tensor's whole name, the part that says what it is, and its layer; inputs go by their place, which nobody renames."""
    origin = _origin(graph, index)
    for place, known in enumerate(graph.inputs.values()):
        if known == origin:
            return (f"<input {place}>",) * 3
    name = _SUFFIX.sub("", graph.tensors[origin].name)
    return name, _SUFFIX.sub("", name.partition(";")[0]), layer_name(name)


def _origin(graph: Graph, index: int, kinds: tuple[str, ...] = _FORMS) -> int:
    """What the tensor is another form of, or what operators of these kinds made it from."""
    makers = {output: operator for operator in graph.operators for output in operator.outputs}
    while index in makers and makers[index].name in kinds and makers[index].inputs:
        index = makers[index].inputs[0]
    return index


def _same_outputs(head: Graph, cut: int, tail: Graph, other: int) -> bool:
    """Whether both have finished the same outputs. One that crosses as well must be of one form, as it is sent only once."""
    finished, there = (
        [list(graph.outputs).index(name) for name in graph.finished_outputs(at)]
        for graph, at in ((head, cut), (tail, other))
    )
    ends = tuple(head.outputs.values())
    twice = {ends[place] for place in finished} & set(head.boundary(cut))
    return finished == there and not any(head.tensors[index].scale for index in twice)
