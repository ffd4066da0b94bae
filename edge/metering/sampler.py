"""The power sampler: a process of its own that reads the meter while inference runs, and starts anew when it dies or hangs."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO

from edge.children import environment
from edge.metering.ring import Kind, Ring
from edge.metering.sampling import SAMPLE_EVERY_S, Fact, Found, Lost, Opened, Opener, Refused
from hardware.clock import Clock
from hardware.power.meter import MeterLost, Reading
from protocol.configuration import Provenance
from protocol.errors import DynaSplitError

logger = logging.getLogger(__name__)

_PROCESS = "edge.metering.sampler_process"

_SILENT_S = 10.0
"""Without a sign of life for so long, the process hangs and is killed."""

_START_S = 15.0
_END_S = 1.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 60.0

_STALE_S = 3.0
_STALE_PERIODS = 3
"""A sample that is older says nothing of now."""

_PATIENCE_S = 0.002
"""The most that a reply waits for the sample after its end."""

_ANSWERS = 4096


@dataclass(frozen=True)
class Stalls:
    """How often more than 200 ms lay between two samples, the longest time between two, and restarts of the process."""

    count: int
    longest_s: float
    restarts: int


class Sampler:
    """A power meter that is read in a process of its own; `read` gives its newest sample, with the joules of all samples, which
    count the power of a meter that does not count itself. Thread-safe.

    The process ends with the front, however that ends. Dead or hung, it is started anew by a thread that sleeps until
    something happens, after a pause that doubles as long as it fails at once. `start` first, and `close` in the end.
    """

    def __init__(self, opener: Opener, *, clock: Clock = time.monotonic, silent_s: float = _SILENT_S) -> None:
        self.ring, self._ring_descriptor = Ring.create()
        self._opener = pickle.dumps(opener)
        self._clock = clock
        self._silent_s = silent_s
        self._opened = Opened(Provenance.MEASURED, SAMPLE_EVERY_S)
        self._refused: DynaSplitError | None = None
        self._heard = threading.Event()
        self._stopped, self._stopping = os.pipe()
        self._descriptors = [self._ring_descriptor, self._stopped, self._stopping]
        self._nudges, self._childs_end = socket.socketpair()
        self._nudges.setblocking(False)
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = self._told_stalls = 0
        self._thread = threading.Thread(target=self._supervise, name="sampler", daemon=True)

    def start(self) -> None:
        """Starts the process and waits until it has opened the meter, or found it lost for now.

        Raises what the opener raised, but MeterLost: after that, and after a death of the process, it tries again.
        """
        self._thread.start()
        if not self._heard.wait(_START_S):
            logger.warning("the power sampler has not opened its meter after %g s; going on without", _START_S)
        if self._refused:
            self.close()
            raise self._refused

    @property
    def provenance(self) -> Provenance:
        return self._opened.provenance

    @property
    def period_s(self) -> float:
        return self._opened.period_s

    @property
    def pid(self) -> int | None:
        """The process that samples; None while there is none."""
        process = self._process
        return process.pid if process else None

    @property
    def stalls(self) -> Stalls:
        """How regularly the meter is sampled."""
        count, longest_s = self.ring.stalls
        return Stalls(count, longest_s, self._restarts)

    def read(self) -> Reading:
        """The newest sample. MeterLost when the meter is lost, or the sample too old to be of now."""
        slot = self.ring.latest()
        if slot is None or slot.kind is Kind.LOST:
            raise MeterLost("the power meter does not answer; the sampler asks it again every second")
        age_s = self._clock() - slot.at_s
        if age_s > max(_STALE_S, _STALE_PERIODS * self.period_s):
            raise MeterLost(
                f"the power meter's last value is {age_s:.1f} s old; see the log for what keeps it from another"
            )
        return Reading(slot.watts, slot.joules, slot.at_s, slot.gaps)

    def nudge(self) -> None:
        """Asks for a sample at once. Never waits."""
        with contextlib.suppress(BlockingIOError):  # nudges that nobody took yet ask for the same
            self._nudges.send(b"n")

    def await_sample(self, at_s: float) -> None:
        """Waits for a sample from this moment or later, as long as one that was asked for takes where a core is free."""
        patient_until_s = self._clock() + _PATIENCE_S
        while (slot := self.ring.latest()) and slot.at_s < at_s and slot.kind is not Kind.LOST:
            left_s = patient_until_s - self._clock()
            if left_s <= 0 or not select.select([self._nudges], [], [], left_s)[0]:
                return
            with contextlib.suppress(BlockingIOError):  # another thread took the answer
                self._nudges.recv(_ANSWERS)

    def close(self) -> None:
        """Ends the process. Safe to call more than once."""
        if self._thread.is_alive():
            os.write(self._stopping, b"s")
            self._thread.join()
        self._nudges.close()
        self._childs_end.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()

    def _supervise(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            began_s = self._clock()
            ended = self._attend()
            self._heard.set()
            if not ended:
                return
            self._restarts += 1
            pause_s = (
                _FIRST_PAUSE_S if self._clock() - began_s > _LONGEST_PAUSE_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            )
            logger.error("the power sampler %s; starting a new one in %.1f s", ended, pause_s)
            if select.select([self._stopped], [], [], pause_s)[0]:
                return

    def _attend(self) -> str:
        """The life of one process: how it ended, "" when no other one is wanted."""
        self.ring.beat(self._clock())
        facts, told = os.pipe()
        with os.fdopen(facts, "rb", buffering=0) as heard:
            try:
                process = self._process = self._spawned(told)
            except OSError as error:
                return f"could not be started: {error}"
            finally:
                os.close(told)
            ended = self._listen(heard)
            self._process = None
            code = _end(process)
        return ended and f"{ended} (exit code {code})"

    def _spawned(self, told: int) -> subprocess.Popen[bytes]:
        descriptors = (self._ring_descriptor, told, self._childs_end.fileno())
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", _PROCESS, *map(str, descriptors)],
            stdin=subprocess.PIPE,
            pass_fds=descriptors,
            process_group=0,  # an interrupt from the keyboard is for the front alone
            env=environment(),
        )
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it died at once, which shows elsewhere
                process.stdin.write(self._opener)
                process.stdin.flush()
        return process

    def _listen(self, heard: IO[bytes]) -> str:
        while True:
            ready = select.select([heard.fileno(), self._stopped], [], [], self._silent_s)[0]
            if self._stopped in ready:
                return ""
            if ready:
                try:
                    self._heed(pickle.load(heard))  # noqa: S301 - from our own child
                except EOFError:
                    return "" if self._refused else "died"
            elif self._clock() - self.ring.heartbeat_s > self._silent_s:
                return f"gave no sign of life for {self._silent_s:g} s and was killed"
            else:
                self._tell_stalls()

    def _tell_stalls(self) -> None:
        """The first, and then each time that there are twice as many."""
        count, longest_s = self.ring.stalls
        if count and count >= 2 * self._told_stalls:
            logger.warning("power was not sampled for up to %.0f ms, %d times so far", longest_s * 1e3, count)
            self._told_stalls = count

    def _heed(self, fact: Fact) -> None:
        match fact:
            case Opened():
                self._opened = fact
            case Refused():
                self._refuse(fact.error)
            case Lost():
                logger.warning("power meter lost, energy is estimated from its last value: %s", fact.reason)
            case Found():
                logger.info("the power meter answers again")
        self._heard.set()

    def _refuse(self, error: DynaSplitError) -> None:
        """At the start the caller must know; later a meter that cannot be opened is one that may come back."""
        if self._heard.is_set():
            logger.warning("the power meter cannot be opened any more: %s", error)
        else:
            self._refused = error


def _end(process: subprocess.Popen[bytes]) -> int:
    """The exit code. The process ends by itself when its stdin does, unless it hangs."""
    if process.stdin:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    try:
        return process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
