"""Why no plan exists: the first proven fact that tells, in one line.

Asked after a search has proven that there is none. Memory alone is looked at first, as if all nodes had links to each other;
then which nodes are cut off; what is left is that no order of links fits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from planner.pipeline.finding.capacity import MemoryOf, nodes_missing
from planner.pipeline.finding.effort import Stop, never
from planner.pipeline.finding.search import best
from planner.pipeline.instance import Flags, Instance
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Plan, Stage
from protocol.errors import InvalidInput

_MIB = 2.0**20
_NAMED = 5
_CLOSE = 1e-6


def why_infeasible(instance: Instance, *, period_s: float = math.inf, stop: Stop = never) -> str:
    """The reason why nothing runs on this instance, or nothing that takes an inference every `period_s`.

    The period is looked at last, by a search for the greatest throughput, which `stop` ends early. Raises AssertionError
    where a plan comes up that serves: then the search that found none erred, and nothing is proven.
    """
    facts = (_too_large_a_piece, _unreachable_dispatcher, _too_few_nodes, _islands)
    for fact in facts:
        if reason := fact(instance):
            return reason
    if math.isfinite(period_s) and (reason := _too_slow(instance, period_s, stop)):
        return reason
    _no_node_alone_serves(instance, period_s)
    return (
        "the nodes' memory would do in some order, and all are connected, but no order of nodes that follows the links "
        "has room for all pieces"
    )


def _too_large_a_piece(instance: Instance) -> str | None:
    pieces = instance.pieces
    largest = int(np.argmax(instance.capacity_bytes))
    least = np.array([pieces.memory_bytes[point, point + 1] for point in range(pieces.count)])
    worst = int(np.argmax(least))
    if least[worst] < instance.capacity_bytes[largest]:
        return None
    return (
        f"piece {worst} ({pieces.labels[worst]} to {pieces.labels[worst + 1]}) fits on no node: it needs "
        f"{_mib(least[worst])}, and must stay below the {_mib(instance.capacity_bytes[largest])} of the largest, "
        f"{_named(instance, [largest])}"
    )


def _unreachable_dispatcher(instance: Instance) -> str | None:
    if not (instance.rate_in > 0).any():
        return "no node can be reached from the dispatcher: it has a link to none"
    if not (instance.rate_out > 0).any():
        return "no node can answer: none has a link to the dispatcher"
    return None


def _too_few_nodes(instance: Instance) -> str | None:
    missing = nodes_missing(MemoryOf(instance), range(len(instance.nodes)))
    if not missing:
        return None
    count, sizes = len(instance.nodes), instance.capacity_bytes
    held = f"{count} of {_mib(sizes[0])}" if np.ptp(sizes) == 0 else f"{count}, the largest of {_mib(sizes.max())}"
    return (
        f"the nodes' memory holds not all pieces, whatever the links: there are {held}, and at least {missing} more of "
        f"{_mib(sizes.max())} are needed ({count + missing} in all)"
    )


def _islands(instance: Instance) -> str | None:
    """No group of nodes that links join, and that inputs reach and outputs leave, has the memory."""
    memory = MemoryOf(instance)
    able = _able(instance)
    groups = list(_groups(instance.rate > 0, able))
    if any(not nodes_missing(memory, group) for group in groups):
        return None
    if cut_off := np.flatnonzero(~able).tolist():
        return (
            f"{_named(instance, cut_off)} cannot take part, since no links lead there from the dispatcher or none lead back, "
            "and the memory of the others holds not all pieces"
        )
    largest = max(groups, key=len)
    return (
        f"no group of nodes that links join has memory for all pieces: the largest has {len(largest)} of "
        f"{len(instance.nodes)} ({_named(instance, largest)})"
    )


def _able(instance: Instance) -> Flags:
    """[N]: the nodes to which links lead from where inputs come in, and from which links lead to where outputs leave."""
    links = instance.rate > 0
    return _reached(links, instance.rate_in > 0) & _reached(links.T, instance.rate_out > 0)


def _groups(links: Flags, able: Flags) -> Iterator[Sequence[int]]:
    """The nodes that take part, by which are joined by links of either direction."""
    joined = (links | links.T) & able[:, None] & able[None, :]
    left = able.copy()
    while left.any():
        first = np.zeros_like(left)
        first[int(np.argmax(left))] = True
        group = _reached(joined, first)
        left &= ~group
        yield np.flatnonzero(group).tolist()


def _reached(links: Flags, seeds: Flags) -> Flags:
    reached = seeds.copy()
    while True:
        wider = reached | links[reached].any(axis=0)
        if (wider == reached).all():
            return reached
        reached = wider


def _too_slow(instance: Instance, period_s: float, stop: Stop) -> str | None:
    """That the fastest plan is not fast enough, as far as the search knows it."""
    found = best(instance, stop=stop)
    if _serves(found.value, period_s):
        raise AssertionError(f"a plan exists: {found.plan}")
    told = f"no plan does {1 / period_s:g} inferences per second"
    if period_s < found.bound < math.inf:
        return f"{told}: at most {1 / found.bound:.4g} can be done"
    return f"{told}: the fastest that is known does {1 / found.value:.4g}" if found.plan else None


def _no_node_alone_serves(instance: Instance, period_s: float) -> None:
    for node in range(len(instance.nodes)):
        plan = Plan((Stage(0, instance.pieces.count, (node,)),))
        try:
            alone_s = evaluate(instance, plan).bottleneck_s
        except InvalidInput:  # no memory, or no way in or out
            continue
        if _serves(alone_s, period_s):
            raise AssertionError(f"a plan exists: {plan}")


def _serves(bottleneck_s: float, period_s: float) -> bool:
    return bottleneck_s < period_s * (1 - _CLOSE)


def _named(instance: Instance, nodes: Sequence[int]) -> str:
    names = [instance.nodes[node].name for node in nodes[:_NAMED]]
    more = f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
    return f"node{'s' if len(nodes) > 1 else ''} {', '.join(names)}{more}"


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / _MIB:.5g} MiB"
