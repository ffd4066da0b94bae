"""What is known before the first request: rows from all that was recorded, or from what a campaign measured of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.averages import rows_by_configuration
from planner.costs.composition import CostModel, fit
from planner.searching.campaign import Aim, Campaign, LocalLedger, Method, asks_of
from planner.searching.recorded import RecordedTrials
from planner.space import Space
from planner.suspects.sifting import Sifted
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
    """From all trials; those that contradict the rest are left out unless all are trusted.

    Where everything was measured nothing needs to be composed: rows are as they were measured, and composed only where all
    trials of a configuration are suspect.
    """
    asked = len(rows_by_configuration(measurements))
    return _known(measurements, space, CostModel.as_measured, asked=asked, trust_all=trust_all)


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
    return _known(campaign.measurements, space, CostModel.row, asked=len(campaign.known), trust_all=trust_all)


def _known(
    measurements: Sequence[Measurement],
    space: Space,
    row_of: Callable[[CostModel, Configuration], Row | None],
    *,
    asked: int,
    trust_all: bool,
) -> Knowledge:
    sifted = Sifted.of(measurements, trust_all=trust_all)
    sifted.check()
    model = fit(sifted.sound, boundaries=space.boundaries)
    covered = [item for item in space.configurations() if model.gap(item) is None]
    rows = [row_of(model, configuration) or model.row(configuration) for configuration in covered]
    return Knowledge(rows, asked, len(rows_by_configuration(measurements)), len(measurements) - len(sifted.sound))
