"""The sampler's process: `python -m edge.device.sampler_process RING FACTS NUDGES`, three file descriptors.

The opener of the meter comes as a pickle by stdin, which stays open as long as the front lives. It is no child of
`multiprocessing`, since that would import the agent's main module, and with it all of the agent, into a process that is to
stay small.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from edge.device.ring import Ring
from edge.device.sampling import LONGEST_REASON, RETRY_S, Fact, Lost, Opened, Opener, Refused, Sampling
from hardware.power.meter import MeterLost, PowerMeter
from protocol.errors import DynaSplitError

_NUDGES = 4096
"""Nudges answered by one sample."""


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


def open_patiently(opener: Opener, tell: Callable[[Fact], None], beat: Callable[[float], None]) -> PowerMeter:
    """The meter, as soon as it answers."""
    told = False
    while True:
        try:
            return opener()
        except MeterLost as error:
            if not told:
                tell(Lost(str(error)[:LONGEST_REASON]))
            told = True
            beat(time.monotonic())
            time.sleep(RETRY_S)


def main(ring_descriptor: int, facts_descriptor: int, nudges: int) -> int:
    """The life of the process."""
    for number in (signal.SIGINT, signal.SIGTERM):  # it ends with the front, not before it
        signal.signal(number, signal.SIG_IGN)
    ring = Ring(ring_descriptor)
    ring.beat(time.monotonic())

    def tell(fact: Fact) -> None:
        os.write(facts_descriptor, pickle.dumps(fact))

    opener: Opener = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own front
    threading.Thread(target=_end_with_the_front, daemon=True).start()
    try:
        meter = open_patiently(opener, tell, ring.beat)
    except DynaSplitError as error:
        tell(Refused(error))
        return 1
    tell(Opened(meter.provenance, meter.period_s))
    follow(Sampling(meter, ring, tell, clock=time.monotonic), nudges)


def _end_with_the_front() -> None:
    """Also when a reading hangs: the front holds the other end of stdin as long as it lives."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
