"""A request for which the cloud is away: the device waits in vain, and then finishes it itself."""

from __future__ import annotations

from dataclasses import dataclass

from planner.choosing.patience import patience_ms
from planner.simulation.replay import Outcomes


@dataclass(frozen=True)
class Finished:
    """What a request costs that waits for the cloud in vain: `outcomes` is its head, the wait of `waited_ms`, and then a
    whole run on the device, which takes `home_ms` of it."""

    outcomes: Outcomes
    waited_ms: float
    home_ms: float


def finished_here(planned: Outcomes, home: Outcomes, *, deadline_ms: float) -> Finished:
    """What one request costs that was planned otherwise, with `deadline_ms` left from its start.

    Of the tail alone no trial tells what it costs on the device, so an edge-only run errs on the expensive side.
    """
    home_ms = float(home.latency_ms[0])
    waited_ms = patience_ms(
        left_ms=deadline_ms - float(planned.head_ms[0]), cloud_ms=float(planned.waiting_ms[0]), home_ms=home_ms
    )
    return Finished(planned.cut_off(waited_ms) + home, waited_ms, home_ms)
