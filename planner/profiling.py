"""Which configurations to measure so that all others follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.space import Space
from protocol.configuration import Configuration
from protocol.errors import InvalidInput


def plan(space: Space, *, work: Mapping[int, float] | None = None) -> tuple[Configuration, ...]:
    """The configurations to measure so that `fit` covers the space.

    At the highest clock every cut with every codec: once for each way to compute the head, once for each cloud
    accelerator. At every other clock, with the first codec, what the curves need: edge-only, cloud-only, and the middle
    cut; middle by `work` (any measure of the operators before each cut, such as multiply-accumulates), else by position.
    """
    probes = {0, middle_cut(space.cuts, work=work), space.edge_only_cut}
    top_khz = max(space.clocks_khz)
    at_top = [item for item in space.configurations() if item.cpu_khz == top_khz and _is_part(item, space)]
    others = [
        item
        for item in space.configurations()
        if item.cpu_khz != top_khz and item.cut in probes and _is_probe(item, space)
    ]
    return (*at_top, *sorted(others, key=lambda item: -item.cpu_khz))


def middle_cut(cuts: Sequence[int], *, work: Mapping[int, float] | None = None) -> int | None:
    """The cut that halves the network best; None when there is none between cloud-only and edge-only."""
    last = max(cuts)
    between = [cut for cut in sorted(cuts) if 0 < cut < last]
    before = {cut: float(cut) for cut in cuts} if work is None else work
    if missing := [cut for cut in (*between, last) if cut not in before]:
        raise InvalidInput(f"plan: no figure for the work before cut {missing[0]}")
    return min(between, key=lambda cut: abs(before[cut] - before[last] / 2), default=None)


def _is_part(configuration: Configuration, space: Space) -> bool:
    """Whether it measures a head with the first cloud accelerator, or a tail with the first way to compute the head."""
    usual_head = (configuration.edge_accelerator, configuration.threads) == (space.accelerators[0], space.threads[0])
    usual_tail = configuration.cloud_accelerator is space.cloud_accelerators[0]
    return configuration.cut in (0, space.edge_only_cut) or usual_head or usual_tail


def _is_probe(configuration: Configuration, space: Space) -> bool:
    usual = (configuration.codec, configuration.cloud_accelerator) == (space.codecs[0], space.cloud_accelerators[0])
    return configuration.cut == space.edge_only_cut or usual
