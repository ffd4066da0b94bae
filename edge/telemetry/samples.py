"""Samples: every minute or so, what the device drew and how it was goes into the outbox."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.metering.drawn import Draws
from edge.telemetry.outbox import Outbox
from edge.telemetry.outbox_file import OutboxFailed
from edge.telemetry.wall_clock import WallClock
from hardware.clock import Clock
from hardware.throttling import Slowdown
from protocol.messages import RecordKind
from protocol.samples import Sample

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Senses:
    """Where the figures come from, as a board gives them. All are asked from one thread."""

    draws: Draws
    cpu_khz: Callable[[], int | None]
    temperature_c: Callable[[], float | None]
    slowdown: Callable[[], Slowdown]


class Samples:
    """Keeps a sample each `every_s`, on a thread that sleeps in between. A disk that takes no more is logged once, until it
    does again."""

    def __init__(
        self, senses: Senses, outbox: Outbox, *, every_s: float, wall: WallClock, clock: Clock = time.monotonic
    ) -> None:
        self._senses = senses
        self._outbox = outbox
        self._every_s = every_s
        self._wall = wall
        self._clock = clock
        self._began_s, self._slowdown = clock(), senses.slowdown()
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; the stretch that has begun is not told."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def take(self) -> None:
        """A sample of the time since the one before."""
        now_s, senses = self._clock(), self._senses
        slowdown = senses.slowdown()
        drawn, (at, synced) = senses.draws.since_last(), self._wall.now()
        sample = Sample(
            at=at,
            clock_synced=synced,
            seconds=now_s - self._began_s,
            mean_w=drawn.mean_w,
            max_w=drawn.max_w,
            energy_mj=drawn.energy_mj,
            provenance=drawn.provenance,
            cpu_khz=senses.cpu_khz(),
            temperature_c=senses.temperature_c(),
            throttled=bool(slowdown.since(self._slowdown)),
        )
        self._began_s, self._slowdown = now_s, slowdown
        self._keep(sample)

    def _keep(self, sample: Sample) -> None:
        try:
            self._outbox.append(RecordKind.SAMPLE, sample.to_json())
        except OutboxFailed as error:
            if not self._failing:
                logger.error("samples are not kept: %s", error)
            self._failing = True
        else:
            self._failing = False

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self.take()
            except Exception:  # the outermost loop of this thread: telemetry must go on
                logger.exception("a sample was not taken")
