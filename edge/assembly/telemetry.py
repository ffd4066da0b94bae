"""What is kept and sent of the device: records with their courier, and samples of its power."""

from __future__ import annotations

from contextlib import ExitStack

from edge.metering.starting import draws_of
from edge.settings import EdgeSettings
from edge.telemetry.courier import Courier
from edge.telemetry.outbox import Outbox
from edge.telemetry.refuge import open_outbox
from edge.telemetry.samples import Samples, Senses
from edge.telemetry.wall_clock import WallClock
from hardware.board import Board
from protocol.bus import Bus


def start_outbox(settings: EdgeSettings, bus: Bus, stack: ExitStack) -> Outbox:
    """The outbox with its courier."""
    path = settings.data_dir / "outbox.sqlite"
    outbox = open_outbox(path, max_bytes=settings.outbox_max_bytes, full_sync=settings.outbox_full_sync)
    stack.callback(outbox.close)
    courier = Courier(outbox, bus, device=settings.device)
    courier.start()
    stack.callback(courier.stop)
    return outbox


def take_samples(settings: EdgeSettings, board: Board, outbox: Outbox, *, wall: WallClock, stack: ExitStack) -> None:
    """Every `sample_every_s`; never where that is 0."""
    if settings.sample_every_s:
        senses = Senses(draws_of(board), board.running_khz, board.temperature_c, board.slowdown)
        samples = Samples(senses, outbox, every_s=settings.sample_every_s, wall=wall)
        samples.start()
        stack.callback(samples.stop)
