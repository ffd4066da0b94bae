"""Which of the board's accelerators can be used now, by what is on the bus and by how they fared."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from edge.device.health import WELL, Health
from hardware.accelerator.port import EdgeTpu
from hardware.clock import Clock
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed

logger = logging.getLogger(__name__)

_AWAY = "it is not on the bus"
_HUNG_AFTER = 10.0
"""Times its predicted time: a head that takes so much longer will not end."""
_HUNG_AFTER_AT_LEAST_S = 0.8
"""A small head on a busy device may well wait its turn for longer than it runs."""


def limit_s(head_ms: float) -> float | None:
    """After how long a head on an accelerator counts as hanging, by what is predicted of it; None where nothing is (0)."""
    return max(head_ms * _HUNG_AFTER / 1e3, _HUNG_AFTER_AT_LEAST_S) if head_ms else None


class Accelerators:
    """Watches over the Edge TPU of a board, or over none. Thread-safe.

    One that fails is left alone until its next try, one that is away until it is there; whoever plugs it in again need not
    wait. It is said in the log once when one can no longer be used, and once when it can again.
    """

    def __init__(self, edge_tpu: EdgeTpu | None = None, *, clock: Clock = time.monotonic) -> None:
        self._edge_tpu = edge_tpu
        self._clock = clock
        self._lock = threading.Lock()
        self._away_since_s: float | None = None
        self._health = dict.fromkeys(_real(edge_tpu), WELL)
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls back when one can no longer be used, or can again, as soon as that is noticed; from any thread. It must
        return at once, and ask nothing here."""
        self._listeners.append(listener)

    def usable(self) -> frozenset[EdgeAccelerator] | None:
        """Those that may be chosen now, OFF among them; None where all of the board may."""
        if self._edge_tpu is None:
            return None
        with self._lock:
            now_s = self._clock()
            there = self._is_there(now_s)
            well = {kind for kind, health in self._health.items() if there and health.usable(now_s)}
            return None if len(well) == len(self._health) else frozenset({EdgeAccelerator.OFF, *well})

    def check(self, accelerator: EdgeAccelerator) -> None:
        """AcceleratorFailed, with the reason and since when, for one that may not be used now."""
        usable = self.usable()
        if usable is None or accelerator in usable:
            return
        with self._lock:
            now_s, health = self._clock(), self._health[accelerator]
            away_s = self._away_since_s
            reason, since_s = (_AWAY, away_s) if away_s is not None else (health.reason, health.since_s)
        raise AcceleratorFailed(f"accelerator {accelerator} cannot be used: {reason} (since {now_s - since_s:.0f} s)")

    def failed(self, accelerator: EdgeAccelerator, reason: str) -> None:
        """Call it when a head on it failed: the device may be gone, or the library of this clock of no use."""
        self._failed([accelerator], reason)

    def hung(self, reason: str) -> None:
        """Call it when a head did not end: whatever its clock, it is one device."""
        self._failed(list(self._health), reason)

    def worked(self, accelerator: EdgeAccelerator) -> None:
        """Call it when a head on it came to its end."""
        if self._health[accelerator] is WELL:
            return
        with self._lock:
            self._health[accelerator] = WELL
        logger.info("accelerator %s works again", accelerator)
        self._tell()

    def state(self) -> dict[str, Any]:
        """Of each: whether it may be chosen now, why not, since how many seconds, and in how many the next try is made."""
        if self._edge_tpu is None:
            return {}
        with self._lock:
            now_s = self._clock()
            there = self._is_there(now_s)
            return {kind.value: self._described(health, now_s, there) for kind, health in self._health.items()}

    def _failed(self, kinds: list[EdgeAccelerator], reason: str) -> None:
        with self._lock:
            fresh = [kind for kind in kinds if not self._health[kind].reason]
            for kind in kinds:
                self._health[kind] = self._health[kind].failed(reason, self._clock())
            pause_s = self._health[kinds[0]].pause_s
        if fresh:
            logger.warning("accelerator %s is left alone for %g s at least: %s", ", ".join(fresh), pause_s, reason)
            self._tell()

    def _described(self, health: Health, now_s: float, there: bool) -> dict[str, Any]:
        if not there:
            since_s = now_s if self._away_since_s is None else self._away_since_s
            return {"usable": False, "reason": _AWAY, "since_s": now_s - since_s}
        if not health.reason:
            return {"usable": True, "reason": "", "since_s": None}
        described = {"usable": health.usable(now_s), "reason": health.reason, "since_s": now_s - health.since_s}
        return {**described, "retry_in_s": max(0.0, health.retry_s - now_s)}

    def _is_there(self, now_s: float) -> bool:
        """Whether it is on the bus. One that comes back is given a try at once."""
        there = self._edge_tpu is not None and self._edge_tpu.present()
        if there and self._away_since_s is not None:
            self._away_since_s = None
            self._health = {kind: health.at_once(now_s) for kind, health in self._health.items()}
            logger.info("the Edge TPU is on the bus again")
            self._tell()
        elif not there and self._away_since_s is None:
            self._away_since_s = now_s
            logger.warning("the Edge TPU is not on the bus: requests go on without it until it is")
            self._tell()
        return there

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _real(edge_tpu: EdgeTpu | None) -> list[EdgeAccelerator]:
    return [kind for kind in edge_tpu.modes if kind is not EdgeAccelerator.OFF] if edge_tpu else []
