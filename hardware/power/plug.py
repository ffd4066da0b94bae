"""A smart plug on an MQTT broker as a power meter."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.clock import Clock, Sleep
from hardware.power.meter import MeterLost, Reading
from protocol.bus import Bus
from protocol.configuration import Provenance

logger = logging.getLogger(__name__)

PERIOD_S = 1.0
"""How often a plug is asked; that is also about how often plugs look themselves."""

_STALE_AFTER_S = 10.0
_FIRST_ANSWER_WITHIN_S = 3.0
_LOOK_EVERY_S = 0.02

Watts = Callable[[bytes], float | None]
"""Reads a message: the watts in it, None where it is about something else; ValueError for nonsense."""


@dataclass(frozen=True)
class PlugProtocol:
    """How one kind of plug speaks: what it says on which topics, and what it is asked with on which."""

    name: str
    says: dict[str, Watts] = field(compare=False)
    ask_topic: str
    ask_payload: bytes


class PlugMeter:
    """The power that a plug says it passes on: the board with its supply's losses, and all else that is plugged in there.

    The plug is asked once a second while somebody reads, and heard in between. Plugs count energy too, but in steps of 4 J to
    3.6 kJ, seconds to minutes of a board's draw, or once a minute: no count is offered, watts are the better figure. A plug
    that said nothing for 10 s is lost. The first read may wait 3 s for the broker and the plug, later ones do not wait.
    """

    provenance = Provenance.MEASURED
    period_s = PERIOD_S

    def __init__(
        self, bus: Bus, protocol: PlugProtocol, *, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
    ) -> None:
        self._bus = bus
        self._protocol = protocol
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._heard: Reading | None = None
        self._asked_s = float("-inf")
        self._waited = False
        for topic in protocol.says:
            bus.subscribe(topic, self._take)

    def read(self) -> Reading:
        self._ask()
        if not self._waited:
            self._await_first()
        heard = self._latest()
        if heard is None or self._clock() - heard.at_s > _STALE_AFTER_S:
            raise MeterLost(self._silence(heard))
        return heard

    def close(self) -> None:
        """Leaves the broker."""
        self._bus.stop()

    def _await_first(self) -> None:
        self._waited = True
        until_s = self._clock() + _FIRST_ANSWER_WITHIN_S
        while self._latest() is None and self._clock() < until_s:
            self._sleep(_LOOK_EVERY_S)
            self._ask()

    def _ask(self) -> None:
        """A question that could not be sent is asked again at the next read."""
        if self._clock() - self._asked_s < PERIOD_S:
            return
        if self._bus.publish(self._protocol.ask_topic, self._protocol.ask_payload):
            self._asked_s = self._clock()

    def _latest(self) -> Reading | None:
        with self._lock:
            return self._heard

    def _take(self, topic: str, payload: bytes) -> None:
        try:
            watts = self._protocol.says[topic](payload)
        except ValueError as error:
            logger.debug("%s: %.60r is no power: %s", topic, payload, error)
            return
        if watts is not None:
            with self._lock:
                self._heard = Reading(watts=watts, joules=None, at_s=self._clock())

    def _silence(self, heard: Reading | None) -> str:
        if not self._bus.connected:
            return f"{self._protocol.name}: its broker cannot be reached; check plug_broker_url"
        if heard is None:
            return f"{self._protocol.name} has said nothing yet; is it on this broker, under this name, and may we read it?"
        return f"{self._protocol.name} has said nothing for {self._clock() - heard.at_s:.0f} s; is it still powered?"
