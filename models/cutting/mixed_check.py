"""What a mixed bundle should answer: its two networks' own bundles, run one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from models.bundle import Bundle
from models.cutting.cut import cut_point
from models.cutting.exactness import Expected
from models.cutting.matching import Match
from models.cutting.mixed import Mixed
from models.cutting.plain import make_bundle
from models.network.graph import Graph, read_graph
from models.running.runner import Runner
from models.running.runner_choice import open_runner
from protocol.tensors import Array, TensorSpec


@contextmanager
def reference(mixed: Mixed, head_network: Path, tail_network: Path, cache_dir: Path) -> Iterator[Expected]:
    """What each cut point should answer: the head of the one file, dequantised by numpy, then the tail of the other.

    Both are cut for it into bundles of their own, which go again at the end.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        heads = make_bundle(head_network, folder / "head", name="head", cuts=[match.head for match in mixed.matches])
        tails = make_bundle(tail_network, folder / "tail", name="tail", cuts=[match.tail for match in mixed.matches])
        runners = [open_runner(bundle, cache_dir=cache_dir) for bundle in (heads, tails)]
        for runner in runners:
            stack.callback(runner.close)
        graphs = read_graph(head_network), read_graph(tail_network)
        yield _Reference(mixed.bundle, mixed.matches, (heads, tails), (runners[0], runners[1]), graphs).answer


class _Reference:
    def __init__(
        self,
        mixed: Bundle,
        matches: Sequence[Match],
        bundles: tuple[Bundle, Bundle],
        runners: tuple[Runner, Runner],
        graphs: tuple[Graph, Graph],
    ) -> None:
        self._outputs = [spec.name for spec in mixed.manifest.outputs]
        self._heads, self._tails = (bundle.manifest for bundle in bundles)
        self._head_runner, self._tail_runner = runners
        self._matches = {match.head: match for match in matches}
        self._head_graph, self._tail_graph = graphs

    def answer(self, cut: int, inputs: Sequence[Array]) -> Mapping[str, Array]:
        if cut == 0:
            wanted = self._tails.inputs
            given = [_as(array, *pair) for array, *pair in zip(inputs, self._heads.inputs, wanted, strict=True)]
            return self._named(self._tail_runner.tail(0, given))
        head = self._head_runner.head(cut, inputs)
        finished = self._finished(head.finished)
        if cut == self._heads.operator_count:
            return finished
        made = self._tail_runner.tail(self._matches[cut].tail, self._crossed(self._matches[cut], head.boundary))
        return finished | self._named(made)

    def _crossed(self, match: Match, boundary: Sequence[Array]) -> list[Array]:
        """The boundary as the tail's own bundle wants it: dequantised, in its own order."""
        specs = cut_point(self._head_graph, match.head).boundary
        there = cut_point(self._tail_graph, match.tail).boundary
        order = self._tail_graph.boundary(match.tail)
        values = dict(zip(match.tensors.values(), zip(boundary, specs, strict=True), strict=True))
        return [_as(*values[index], spec) for index, spec in zip(order, there, strict=True)]

    def _finished(self, finished: Mapping[str, Array]) -> dict[str, Array]:
        pairs = {one.name: (one, other) for one, other in zip(self._heads.outputs, self._tails.outputs, strict=True)}
        return {name: _as(array, *pairs[name]) for name, array in finished.items()}

    def _named(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        names = dict(zip([spec.name for spec in self._tails.outputs], self._outputs, strict=True))
        return {names[name]: array for name, array in outputs.items()}


def _as(array: Array, given: TensorSpec, wanted: TensorSpec) -> Array:
    """DEQUANTIZE of tensorflow/lite/kernels/internal/reference/dequantize.h: (q - zero point) x scale, in float32."""
    if given.datatype == wanted.datatype:
        return array
    return ((array.astype(np.int32) - given.zero_point) * np.float32(given.scale)).astype(wanted.dtype)
