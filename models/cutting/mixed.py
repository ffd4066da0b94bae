"""Mixed bundles: heads of one file of a model, tails of another, as an int8 head with the fp32 tail (arXiv 2410.23881).

The head's own quantised boundary crosses, a quarter of the fp32 bytes; every tail begins by dequantising it. Edge-only runs all
of the head's network (`whole`), cloud-only all of the tail's (`tail_0`). Cut points count the operators of the head's network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.bundle import SIGNATURES, Bundle, write
from models.cutting.cut import Cuts, check_layout, manifest_of
from models.cutting.likeness import LEAST, LEAST_AT_OUTPUTS, correlations
from models.cutting.matching import Match, candidates, check_ends, in_order, is_inside, scores
from models.cutting.two_networks import merged
from models.manifest import Manifest, Scaling, TailNetwork
from models.network.graph import Graph, read_graph
from protocol.errors import InvalidInput
from protocol.tensors import TensorSpec


@dataclass(frozen=True)
class Mixed:
    """A mixed bundle, and the places where its two networks were cut."""

    bundle: Bundle
    matches: tuple[Match, ...]


def make_mixed_bundle(
    head_network: Path,
    tail_network: Path,
    folder: Path,
    *,
    name: str,
    cuts: Cuts = "single",
    scaling: Scaling | None = None,
    labels: tuple[str, ...] = (),
    prove: Callable[[Path, Graph], None] | None = None,
) -> Mixed:
    """Cuts two `.tflite` files of one model into a bundle; the rest as in `models.cutting.plain.make_bundle`.

    InvalidInput where they are not of one model: other shapes, no layer that both have, or values that are not alike.
    """
    head, tail = read_graph(head_network), read_graph(tail_network)
    for graph in (head, tail):
        if graph.obstacle:
            raise InvalidInput(f"{graph.what}: {graph.obstacle}")
    check_ends(head, tail)
    check_layout(tail, scaling)
    if prove:
        prove(head_network, head)
        prove(tail_network, tail)
    matches = _chosen(head, matched(head, tail), cuts)
    manifest = replace(_manifest(head, tail, matches, name), scaling=scaling or Scaling(), labels=labels)
    content = merged(head, tail, matches)
    return Mixed(write(folder, manifest, {SIGNATURES: ("signatures.tflite", content)}), matches)


def matched(head: Graph, tail: Graph) -> tuple[Match, ...]:
    """The cut points that both networks have: the same names, and values that are alike on random inputs.

    InvalidInput where there is none but at the input, and where a boundary that bears the same name, or an output, holds
    something else.
    """
    possible = candidates(head, tail)
    if not any(is_inside(head, match) for matches in possible.values() for match in matches):
        raise InvalidInput(_nothing_matches(head, tail))
    ends = scores(head, tail)
    alike = correlations(head, tail, _pairs(possible.values()) | set(ends.values()))
    best = [max(matches, key=lambda match: _likeness(match, alike)) for matches in possible.values()]
    found = [(f"after '{head.cut_name(match.head)}'", _likeness(match, alike), LEAST) for match in best]
    found += [(f"at output '{name}'", alike[pair], LEAST_AT_OUTPUTS) for name, pair in ends.items()]
    place, likeness, least = min(found, key=lambda each: each[1] - each[2])
    if likeness < least:
        raise InvalidInput(
            f"{head.what} and {tail.what} are not of one model: {place} their values correlate by {likeness:.2f} on random "
            f"inputs, less than {least}: other weights, or badly quantised"
        )
    return in_order(best)


def _pairs(possible: Iterable[Sequence[Match]]) -> set[tuple[int, int]]:
    return {pair for matches in possible for match in matches for pair in match.tensors.items()}


def _likeness(match: Match, alike: Mapping[tuple[int, int], float]) -> float:
    return min(alike[pair] for pair in match.tensors.items())


def _nothing_matches(head: Graph, tail: Graph) -> str:
    examples = [graph.cut_name(max(1, graph.operator_count // 2)) for graph in (head, tail)]
    return (
        f"{head.what} and {tail.what} are not of one model, or nothing tells that they are: behind their inputs they have no "
        f"boundary of the same name and shape; in the middle the one has '{examples[0]}', the other '{examples[1]}'"
    )


def _chosen(head: Graph, matches: Sequence[Match], cuts: Cuts) -> tuple[Match, ...]:
    if cuts == "all":
        return tuple(matches)
    if isinstance(cuts, str):
        if cuts != "single":
            raise InvalidInput(f"cuts must be 'single', 'all' or a list of cut points, not {cuts!r:.40}")
        return tuple(match for match in matches if len(match.tensors) == 1)
    wrong = sorted(set(cuts) - {0, head.operator_count} - {match.head for match in matches})
    if wrong:
        there = ", ".join(str(match.head) for match in matches)
        raise InvalidInput(
            f"{head.what} cannot be cut at {wrong[0]} with the tail of another network; both can be cut at {there}"
        )
    return tuple(match for match in matches if match.head in cuts)


def _manifest(head: Graph, tail: Graph, matches: Sequence[Match], name: str) -> Manifest:
    manifest = manifest_of(head, tuple(match.head for match in matches), name=name)
    begins = {0: 0} | {match.head: match.tail for match in matches} | {head.operator_count: tail.operator_count}
    works = tuple(operator.work for operator in tail.operators)
    return replace(manifest, outputs=_outputs(manifest, tail), tail_network=TailNetwork(tail.digest, works, begins))


def _outputs(manifest: Manifest, tail: Graph) -> tuple[TensorSpec, ...]:
    """Under the names of the head's network, of the type that the tails give: heads dequantise theirs."""
    there = [tail.spec(index, name) for name, index in tail.outputs.items()]
    return tuple(replace(spec, name=known.name) for known, spec in zip(manifest.outputs, there, strict=True))
