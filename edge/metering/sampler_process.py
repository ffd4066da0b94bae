"""The sampler's process: `python -m edge.metering.sampler_process RING FACTS NUDGES`, three file descriptors.

The opener of the meter comes as a pickle by stdin, which stays open as long as the front lives. It is no child of
`multiprocessing`, since that would import the agent's main module, and with it all of the agent, into a process that is to
stay small.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NoReturn

from edge.metering.ring import Ring
from edge.metering.sampling import LONGEST_REASON, RETRY_S, Fact, Lost, Opened, Opener, Refused, Sampling
from hardware.clock import Clock, Sleep
from hardware.power.meter import MeterLost, PowerMeter, Reading
from hardware.power.opening import close_meter
from protocol.configuration import Provenance
from protocol.errors import DynaSplitError

REOPEN_S = 10.0
_LONGEST_REOPEN_S = 300.0
_NUDGES = 4096
"""Nudges answered by one sample."""
_CLOSING_S = 2
"""After that the kernel ends the process (alarm(2))."""


def follow(sampling: Sampling, nudges: int) -> NoReturn:
    """Samples for ever; nudges are answered by a byte when their sample is there."""
    os.set_blocking(nudges, False)
    due_s = sampling.sample()
    while True:
        nudged = bool(select.select([nudges], [], [], due_s)[0])
        if nudged:
            os.read(nudges, _NUDGES)
        due_s = sampling.sample(nudged=nudged)
        if nudged:
            with contextlib.suppress(BlockingIOError):  # answers that nobody read yet say the same
                os.write(nudges, b"s")


class ReopenedMeter:
    """A meter that is opened anew when it stays lost: a sensor that was unplugged comes back under another number.

    First after `REOPEN_S`, then after twice the time before, up to `_LONGEST_REOPEN_S`. Opening it the first time, too,
    waits for a meter that does not answer yet; any other refusal is raised. For one thread.
    """

    def __init__(self, opener: Opener, *, clock: Clock, sleep: Sleep, tell: Callable[[Fact], None]) -> None:
        self._opener = opener
        self._clock = clock
        self._reopen_s = math.inf
        self._patience_s = REOPEN_S
        self._meter = self._opened_patiently(sleep, tell)

    @property
    def provenance(self) -> Provenance:
        return self._meter.provenance

    @property
    def period_s(self) -> float:
        return self._meter.period_s

    def read(self) -> Reading:
        try:
            reading = self._meter.read()
        except MeterLost:
            self._note_loss()
            raise
        self._reopen_s, self._patience_s = math.inf, REOPEN_S
        return reading

    def close(self) -> None:
        """Ends what the meter holds open."""
        close_meter(self._meter)

    def _note_loss(self) -> None:
        now_s = self._clock()
        if self._reopen_s == math.inf:
            self._reopen_s = now_s + self._patience_s
        elif now_s >= self._reopen_s:
            self._patience_s = min(2 * self._patience_s, _LONGEST_REOPEN_S)
            self._reopen_s = now_s + self._patience_s
            with contextlib.suppress(DynaSplitError):  # not there yet: the old one goes on being asked
                self._meter, before = self._opener(), self._meter
                close_meter(before)

    def _opened_patiently(self, sleep: Sleep, tell: Callable[[Fact], None]) -> PowerMeter:
        told = False
        while True:
            try:
                return self._opener()
            except MeterLost as error:
                if not told:
                    tell(Lost(str(error)[:LONGEST_REASON]))
                told = True
                sleep(RETRY_S)


def main(ring_descriptor: int, facts_descriptor: int, nudges: int) -> int:
    """The life of the process."""
    for number in (signal.SIGINT, signal.SIGTERM):  # it ends with the front, not before it
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    ring, meters = Ring(ring_descriptor), ExitStack()

    def tell(fact: Fact) -> None:
        os.write(facts_descriptor, pickle.dumps(fact))

    def beating(seconds: float) -> None:
        ring.beat(time.monotonic())
        time.sleep(seconds)

    opener: Opener = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own front
    threading.Thread(target=_end_with_the_front, args=(meters,), daemon=True).start()
    try:
        meter = ReopenedMeter(opener, clock=time.monotonic, sleep=beating, tell=tell)
    except DynaSplitError as error:
        tell(Refused(error))
        return 1
    meters.callback(meter.close)
    tell(Opened(meter.provenance, meter.period_s))
    follow(Sampling(meter, ring, tell, clock=time.monotonic), nudges)


def _end_with_the_front(meters: ExitStack) -> None:
    """Also when a reading or the closing of the meter hangs: the front holds the other end of stdin as long as it lives."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    signal.alarm(_CLOSING_S)
    meters.close()
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
