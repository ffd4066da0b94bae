"""Which cut points are worth a look before anything was measured."""

from __future__ import annotations

from models.network.graph import Graph


def good_cuts(graph: Graph) -> tuple[int, ...]:
    """Cut points with one boundary tensor, and fewer boundary bytes than at every earlier one, the input included.

    A later cut that sends no less costs the device more work and saves nothing on the way. What a codec makes of the
    bytes, and what a board makes of the work, only measurements tell.
    """
    if graph.obstacle:
        return ()
    least, good = graph.boundary_bytes(0), []
    for cut in filter(graph.is_cut_point, range(1, graph.operator_count)):
        crossing = graph.boundary_bytes(cut)
        if crossing < least and len(graph.boundary(cut)) == 1:
            good.append(cut)
        least = min(least, crossing)
    return tuple(good)
