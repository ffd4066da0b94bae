"""A bundle of one network: its own heads and its own tails."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from models.bundle import SIGNATURES, Bundle, write
from models.cutting.cut import Cuts, check_layout, choose_cuts, cut_network, manifest_of
from models.cutting.rehearsal import doubtful, rehearse
from models.manifest import Manifest, Scaling
from models.network.graph import Graph, read_graph
from models.network.placement import is_planned
from protocol.errors import InvalidInput

logger = logging.getLogger(__name__)

_FILE = "signatures.tflite"


def make_bundle(
    network: Path,
    folder: Path,
    *,
    name: str,
    cuts: Cuts = "single",
    scaling: Scaling | None = None,
    labels: tuple[str, ...] = (),
    prove: Callable[[Path, Graph], None] | None = None,
) -> Bundle:
    """Cuts a `.tflite` into a bundle in `folder`, which must not exist yet or be a bundle that is replaced.

    `cuts` is `single`, `all` or a list, as in `models.cutting.cut.choose_cuts`. InvalidInput where the network is damaged or
    cannot be cut. `prove` is asked about a network that looks sound, before it is cut, and raises where it is not:
    `models.network.proof.prove` does so for files that nobody vouches for. With it, a bundle of operators of which it is not
    known where the runtime keeps their results is run before it is written (`models.cutting.rehearsal`): a listed cut point
    at which it is wrong is refused, another left out.
    """
    graph = read_graph(network)
    chosen = choose_cuts(graph, cuts)
    check_layout(graph, scaling)
    if prove:
        prove(network, graph)
    manifest = _manifest(graph, chosen, name, scaling, labels)
    content = cut_network(graph, chosen)
    if prove and doubtful(graph):
        sound = _sound_cuts(network, graph, manifest, content, asked=cuts)
        if sound != chosen:
            manifest, content = _manifest(graph, sound, name, scaling, labels), cut_network(graph, sound)
    return write(folder, manifest, {SIGNATURES: (_FILE, content)})


def _manifest(
    graph: Graph, cuts: tuple[int, ...], name: str, scaling: Scaling | None, labels: tuple[str, ...]
) -> Manifest:
    return replace(manifest_of(graph, cuts, name=name), scaling=scaling or Scaling(), labels=labels)


def _sound_cuts(network: Path, graph: Graph, manifest: Manifest, content: bytes, *, asked: Cuts) -> tuple[int, ...]:
    """Those of the chosen cut points at which the finished bundle answers as the network's file.

    InvalidInput where it does not at one that was asked for, or where nothing is cut.
    """
    with tempfile.TemporaryDirectory() as scratch:
        bundle = write(Path(scratch) / "bundle", manifest, {SIGNATURES: (_FILE, content)})
        failures = rehearse(network, bundle)
    wanted = {0, graph.operator_count} | (set() if isinstance(asked, str) else set(asked))
    for cut, reason in failures.items():
        first = next(operator for operator in graph.operators if not is_planned(operator, graph.tensors))
        complaint = f"{network} cannot be cut at {cut}: with operator {first.index}, {first.name}, {reason}"
        if cut in wanted:
            raise InvalidInput(complaint)
        logger.warning("%s", complaint)
    return tuple(cut for cut in manifest.cuts if cut not in failures and 0 < cut < graph.operator_count)
