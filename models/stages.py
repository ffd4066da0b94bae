"""What a stage of a pipeline, operators [a, b) of a bundle, holds and hands on: weights, activations, what crosses its ends.

A bundle's cut points part its network into pieces; a stage is a row of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from models.bundle import SIGNATURES, Bundle
from models.manifest import Manifest
from models.network import tflite
from models.network.operator_work import Tensor
from models.network.operators import Operator, Reader
from models.signatures import WHOLE, head_signature
from protocol.errors import InvalidInput
from protocol.tensors import TensorSpec
from protocol.work import Work, total


@dataclass(frozen=True)
class PieceMemory:
    """Of the P pieces between a bundle's cut points, in bytes, as the network's file holds them.

    `weight_bytes`: the constants that each piece reads, and what is computed from constants alone, each once.
    `peak_bytes`: the most that tensors take that are alive at once while it runs, those included that only pass through.
    `shared_bytes`: by how much the weights of all pieces together exceed those of the network, since several read the same.
    """

    weight_bytes: tuple[int, ...]
    peak_bytes: tuple[int, ...]
    shared_bytes: int


def crossing(manifest: Manifest, cut: int) -> tuple[TensorSpec, ...]:
    """What a stage that ends at `cut` hands on: the boundary, and outputs of the network that are complete by then.

    At 0 these are the network's inputs, at the operator count all its outputs.
    """
    if cut == manifest.operator_count:
        return manifest.outputs
    point = manifest.cut(cut)
    passed = set(point.finished_outputs) - set(point.outputs_in_boundary)
    return (*point.boundary, *(spec for spec in manifest.outputs if spec.name in passed))


def piece_works(manifest: Manifest) -> tuple[Work, ...]:
    """The work of each piece."""
    return tuple(total(manifest.operators[first:last]) for first, last in pairwise(manifest.cuts))


def piece_memory(bundle: Bundle) -> PieceMemory:
    """What the pieces of a bundle need, from the flatbuffer that it holds. InvalidInput for a mixed bundle."""
    if bundle.manifest.mixed:
        raise InvalidInput(
            f"{bundle.folder} is a mixed bundle: its heads and tails are of two networks, so that nothing lies between "
            "two of its cut points; cut a bundle from one network"
        )
    path = bundle.artifact(SIGNATURES)
    model = tflite.read(path)
    graphs = {tflite.text(each.signatureKey): each.subgraphIndex for each in model.signatureDefs or []}
    needed = (WHOLE, *(head_signature(cut) for cut in bundle.manifest.cuts[1:-1]))
    if missing := [name for name in needed if name not in graphs]:
        raise InvalidInput(f"{path} has no signature '{missing[0]}': cut the network again")
    reader = Reader(model)
    whole = _Whole.of(reader, graphs[WHOLE])
    heads = (reader.listing(graphs[name]).operators for name in needed[1:])
    return whole.pieces((0, *(len(_working(head)) for head in heads), len(whole.operators)))


def _working(operators: Iterable[Operator]) -> tuple[Operator, ...]:
    """Those that do work for an input; others only prepare constants, and are there on both sides of a cut."""
    return tuple(operator for operator in operators if not operator.derived)


@dataclass(frozen=True)
class _Whole:
    """The network's operators that work, in order; `made_by`: for each tensor that is computed from constants, by which one."""

    tensors: Sequence[Tensor]
    operators: tuple[Operator, ...]
    made_by: Mapping[int, Operator]
    inputs: tuple[int, ...]
    outputs: frozenset[int]

    @classmethod
    def of(cls, reader: Reader, number: int) -> _Whole:
        operators, graph = reader.listing(number).operators, reader.model.subgraphs[number]
        derived = (operator for operator in operators if operator.derived)
        return cls(
            reader.tensors(number),
            _working(operators),
            {output: operator for operator in derived for output in operator.outputs},
            tuple(tflite.numbers(graph.inputs)),
            frozenset(tflite.numbers(graph.outputs)),
        )

    def pieces(self, ends: Sequence[int]) -> PieceMemory:
        """`ends`: how many working operators lie before each cut point."""
        alive = self._alive_bytes()
        held = [self._weights(self.operators[first:last]) for first, last in pairwise(ends)]
        weights = tuple(self._bytes(each) for each in held)
        return PieceMemory(
            weights,
            tuple(max(alive[first:last], default=0) for first, last in pairwise(ends)),
            sum(weights) - self._bytes(set().union(*held)),
        )

    def _bytes(self, indices: Iterable[int]) -> int:
        return sum(self.tensors[index].nbytes for index in indices)

    def _weights(self, operators: Iterable[Operator]) -> set[int]:
        """The constants that these operators read, and all that these are computed from."""
        found: set[int] = set()
        open_ends = [source for operator in operators for source in operator.inputs]
        while open_ends:
            source = open_ends.pop()
            if source not in found and (self.tensors[source].constant or source in self.made_by):
                found.add(source)
                open_ends += self.made_by[source].inputs if source in self.made_by else ()
        return found

    def _alive_bytes(self) -> list[int]:
        """For each operator, what is alive while it runs: what it reads, makes, and what others will read later.

        The network's outputs stay alive to the end: they travel along to the last stage, which answers.
        """
        count = len(self.operators)
        born = dict.fromkeys(self.inputs, 0)
        last = dict.fromkeys(self.outputs, count - 1)
        for place, operator in enumerate(self.operators):
            born |= dict.fromkeys(operator.outputs, place)
            for source in operator.inputs:
                last[source] = max(last.get(source, place), place)
        alive = [0] * count
        for index, begins in born.items():
            for place in range(begins, max(last.get(index, begins), begins) + 1):
                alive[place] += self.tensors[index].nbytes
        return alive
