"""From measurements of a space to a table: which of all configurations are worth using."""

from __future__ import annotations

from collections.abc import Sequence

from planner.averages import median_link, usable
from planner.costs.composition import CostModel
from planner.pareto import undominated
from planner.space import Space
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.table import Row, Table


def table_of(
    rows: Sequence[Row], space: Space, measurements: Sequence[Measurement], *, device: str, bundle: str, network: str
) -> Table:
    """The draft of a table (version 0): those of the rows that are worth using, whatever link and account, and the anchors.

    Cloud-only and edge-only at the highest clock stay as anchors even where something beats them; the fastest and the
    cheapest row for any link and account are on the front by its nature. The table's link is the median of what the
    measurements saw.
    """
    kept = {row.configuration for row in [*undominated(rows), *_anchors(rows, space)]}
    return Table(
        network=network,
        bundle=bundle,
        device=device,
        link=median_link(usable(measurements)),
        rows=tuple(row for row in rows if row.configuration in kept),
    )


def rows_of(space: Space, model: CostModel, *, partial: bool = False) -> list[Row]:
    """The row of each configuration. InvalidInput for the first one that is not covered; with `partial` those are left
    out, and only a space that is not covered at all is refused."""
    rows, gaps = [], []
    for configuration in space.configurations():
        try:
            rows.append(model.row(configuration))
        except InvalidInput as gap:
            if not partial:
                raise
            gaps.append(gap)
    if not rows:
        raise gaps[0]
    return rows


def _anchors(rows: Sequence[Row], space: Space) -> list[Row]:
    """For each end of the space the best rows at its highest clock, whatever link and account."""
    return [row for cut in (0, space.edge_only_cut) for row in _best_at_top_clock(rows, cut)]


def _best_at_top_clock(rows: Sequence[Row], cut: int) -> list[Row]:
    ends = [row for row in rows if row.configuration.cut == cut]
    top_khz = max((row.configuration.cpu_khz for row in ends), default=0)
    return undominated([row for row in ends if row.configuration.cpu_khz == top_khz])
