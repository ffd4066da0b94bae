"""What is known before the first request: rows from all that was recorded, or from what a campaign measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.averages import rows_by_configuration
from planner.campaign import Aim, Campaign, LocalLedger, Method, asks_of
from planner.costs import CostModel, fit
from planner.recorded import RecordedTrials
from planner.space import Space
from planner.suspects import find
from protocol.configuration import Configuration
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.table import Row


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Rows of a table, and what they were made from: how many configurations were asked for, how many of them had been
    recorded, and how many of the trials that came back are suspect and were left out."""

    rows: Sequence[Row]
    asked: int
    measured: int
    suspects: int


def of_all(measurements: Sequence[Measurement], space: Space, *, trust_all: bool = False) -> Knowledge:
    """From all trials; those that contradict the rest are left out unless all are trusted."""
    return _known(measurements, space, asked=len(rows_by_configuration(measurements)), trust_all=trust_all)


def of_campaign(
    measurements: Sequence[Measurement],
    space: Space,
    method: Method,
    *,
    budget: float | int,
    aim: Aim,
    trust_all: bool = False,
) -> Knowledge:
    """From what the method measures within the budget, a share of the space or a count; each ask gives one recorded
    trial, or nothing where none was recorded. The aim's seed decides which."""
    rng = np.random.default_rng([aim.seed, 1])
    campaign = Campaign(space, RecordedTrials(measurements, rng), LocalLedger(asks_of(budget, space)))
    method(campaign, aim)
    if not campaign.measurements:
        raise InvalidInput(
            f"none of the {len(campaign.known)} configurations that were asked for had been recorded: raise the budget"
        )
    return _known(campaign.measurements, space, asked=len(campaign.known), trust_all=trust_all)


def sound(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Those that do not contradict the rest. InvalidInput where none is left."""
    accused = {suspect.measurement_index for suspect in find(measurements)}
    found = [item for place, item in enumerate(measurements) if place not in accused]
    if not found:
        raise InvalidInput("every measurement contradicts the others: measure again, or trust all of them")
    return found


def not_flattered(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Those that are not suspect of having been better than they can be, as when the clock was higher than the label says.

    What else contradicts the rest did happen to requests, and shows how late they may be.
    """
    flattered = {suspect.measurement_index for suspect in find(measurements) if suspect.ratio < 1}
    return [item for place, item in enumerate(measurements) if place not in flattered]


def _known(measurements: Sequence[Measurement], space: Space, *, asked: int, trust_all: bool) -> Knowledge:
    used = measurements if trust_all else sound(measurements)
    model = fit(used)
    rows = [row for configuration in space.configurations() if (row := _row(model, configuration)) is not None]
    return Knowledge(rows, asked, len(rows_by_configuration(measurements)), len(measurements) - len(used))


def _row(model: CostModel, configuration: Configuration) -> Row | None:
    try:
        return model.row(configuration)
    except InvalidInput:
        return None
