"""What a request costs for which the cloud was away: the device waits in vain, and then finishes it itself."""

from __future__ import annotations

from planner.choosing.patience import patience_ms
from planner.simulation.replay import Outcomes


def finished_here(planned: Outcomes, home: Outcomes, *, deadline_ms: float) -> Outcomes:
    """What one request cost that waited for the cloud in vain: its head, the wait, and then a whole edge-only run.

    Of the tail alone no trial tells what it costs on the device, so this errs on the expensive side.
    """
    waited_ms = patience_ms(
        left_ms=deadline_ms - float(planned.head_ms[0]),
        cloud_ms=float(planned.waiting_ms[0]),
        home_ms=float(home.latency_ms[0]),
    )
    return planned.cut_off(waited_ms) + home
