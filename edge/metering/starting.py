"""The power meter of this device as the settings want it, and the energies that come from it."""

from __future__ import annotations

import functools
import logging
import time
from contextlib import ExitStack

from edge.metering.drawn import CountedDraws, Draws, SampledDraws
from edge.metering.energy import Energies
from edge.metering.gauge import DirectGauge
from edge.metering.sampled_gauge import SampledGauge
from edge.metering.sampler import Sampler
from hardware.board import Board
from hardware.boards import board_names, estimated_meter
from hardware.power.estimated import EstimatedMeter
from hardware.power.opening import AUTO, ESTIMATED, MeterSpec, open_meter
from hardware.profile import emulated_names, profile_of
from protocol.errors import NotFound

logger = logging.getLogger(__name__)


def start_meter(board: str, spec: MeterSpec, stack: ExitStack) -> Sampler | EstimatedMeter | None:
    """What measures this board; None for an emulated one, which brings its own meter, and for one that nobody knows. The
    stack ends it.

    Where `spec` is `auto` and there is none, an estimate by what the board's profile says that it draws. Raises NotFound
    where that is not known either, or where the meter that is named is not here; NotAllowed for one that this user may not
    read; ServiceMissing for a package or driver that is missing.
    """
    if board in emulated_names() or board not in board_names():
        return None
    profile = profile_of(board, spec.sys)
    if spec.kind == ESTIMATED:
        return estimated_meter(profile)
    sampler = Sampler(functools.partial(open_meter, spec))
    stack.callback(sampler.close)
    try:
        sampler.start()
    except NotFound as none:
        if spec.kind != AUTO or profile.power is None:
            raise
        logger.info(
            "power is estimated by what a %s draws on average (%s): %s", profile.title, profile.power_source, none
        )
        return estimated_meter(profile)
    return sampler


def draws_of(board: Board) -> Draws:
    """What the board has drawn, from the same meter."""
    return SampledDraws(board.meter) if isinstance(board.meter, Sampler) else CountedDraws(board.meter)


def energies_of(board: Board) -> Energies:
    """Windows on the board's meter: sampled in a process of its own, or counting in this one."""
    meter, clock = board.meter, time.monotonic
    if isinstance(meter, Sampler):
        return Energies(SampledGauge(meter, clock=clock))
    return Energies(DirectGauge(meter, clock=clock))
