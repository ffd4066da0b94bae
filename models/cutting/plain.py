"""A bundle of one network: its own heads and its own tails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from models.bundle import SIGNATURES, Bundle, write
from models.cutting.cut import check_layout, choose_cuts, cut_network, manifest_of
from models.manifest import Scaling
from models.network.graph import Graph, read_graph


def make_bundle(
    network: Path,
    folder: Path,
    *,
    name: str,
    cuts: str | Sequence[int] = "single",
    scaling: Scaling | None = None,
    labels: tuple[str, ...] = (),
    prove: Callable[[Path, Graph], None] | None = None,
) -> Bundle:
    """Cuts a `.tflite` into a bundle in `folder`, which must not exist yet or be a bundle that is replaced.

    `cuts` is `single`, `all` or a list, as in `models.cutting.cut.choose_cuts`. InvalidInput where the network is damaged or
    cannot be cut. `prove` is asked about a network that looks sound, before it is cut, and raises where it is not:
    `models.network.proof.prove` does so for files that nobody vouches for.
    """
    graph = read_graph(network)
    chosen = choose_cuts(graph, cuts)
    check_layout(graph, scaling)
    if prove:
        prove(network, graph)
    manifest = replace(manifest_of(graph, chosen, name=name), scaling=scaling or Scaling(), labels=labels)
    return write(folder, manifest, {SIGNATURES: ("signatures.tflite", cut_network(graph, chosen))})
