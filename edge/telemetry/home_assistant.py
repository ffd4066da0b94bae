"""Home Assistant: the device announces itself, again whenever Home Assistant may have forgotten it, and takes it back."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge import durable
from edge.telemetry.discovery import config_topic, status_topic, without
from protocol.bus import Bus
from protocol.documents import canonical_bytes, check_schema, parse_object
from protocol.documents import field as field_of
from protocol.errors import DynaSplitError
from protocol.presence import Availability

logger = logging.getLogger(__name__)

SCHEMA = 1
_LONGEST_DELAY_S = 5.0
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Announced:
    """What Home Assistant was told of: on which topic, and each component's platform by name."""

    topic: str = ""
    components: Mapping[str, str] = field(default_factory=dict)


class Announcements:
    """The latest announcement, in one file, so that what was announced once can be taken back."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Announced:
        """Nothing where there is no file, or none that can be read."""
        what = str(self._path)
        try:
            content = parse_object(self._path.read_bytes(), what=what)
            check_schema(content, current=SCHEMA, what=what)
            components = field_of(content, "components", dict, what=what)
            return Announced(field_of(content, "topic", str, what=what), components)
        except FileNotFoundError:
            return Announced()
        except (DynaSplitError, OSError) as error:
            logger.warning("what Home Assistant was told before is not known: %s", error)
            return Announced()

    def keep(self, announced: Announced) -> None:
        """On disk when this returns; a disk that takes no more is logged."""
        content = {"schema": SCHEMA, "topic": announced.topic, "components": dict(announced.components)}
        try:
            durable.replace_content(self._path, canonical_bytes(content) + b"\n")
        except OSError as error:
            logger.warning("what Home Assistant was told cannot be kept: %s", error)


def _after(delay_s: float, act: Callable[[], None]) -> None:
    timer = threading.Timer(delay_s, act)
    timer.daemon = True
    timer.start()


class HomeAssistant:
    """Announces the device after each connect, when its payload changed, and when Home Assistant says `online`.

    To that it answers after a random delay of up to 5 s, lest all devices answer at once, and has the state told as well.
    A component that is announced no more is taken back by name. `compose` gives the payload of now; `after` calls something
    back after a number of seconds.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        device: str,
        prefix: str,
        compose: Callable[[], Mapping[str, Any]],
        tell_state: Callable[[], None],
        announcements: Announcements,
        delay_s: Callable[[], float] = lambda: random.uniform(0.0, _LONGEST_DELAY_S),  # noqa: S311 - no secret
        after: Callable[[float, Callable[[], None]], None] = _after,
    ) -> None:
        self._bus = bus
        self._topic = config_topic(device, prefix)
        self._status = status_topic(prefix)
        self._compose = compose
        self._tell_state = tell_state
        self._announcements = announcements
        self._delay_s = delay_s
        self._after = after
        self._lock = threading.Lock()
        self._known = announcements.read()
        self._sent = b""

    def start(self) -> None:
        """The bus may be started before or after."""
        self._bus.subscribe(self._status, self._heard)
        self._bus.on_connect(self._announce)

    def changed(self) -> None:
        """Announces the device again if there is something new to say. May be called from any thread."""
        with self._lock:
            new = self._payload() != self._sent
        if new:
            self._announce()

    def _heard(self, _topic: str, payload: bytes) -> None:
        if payload == Availability.ONLINE.to_bytes():
            self._after(self._delay_s(), self._announce_with_state)

    def _announce_with_state(self) -> None:
        self._announce()
        self._tell_state()

    def _announce(self) -> None:
        with self._lock:
            former, payload = self._known, self._payload()
            self._remember()
            if former.topic not in ("", self._topic):
                self._bus.publish(former.topic, b"", retain=True)
            if self._bus.publish(self._topic, payload, retain=True):
                self._sent = payload

    def _payload(self) -> bytes:
        composed = self._compose()
        gone = {name: p for name, p in self._known.components.items() if name not in composed["cmps"]}
        return canonical_bytes({**composed, "cmps": {**composed["cmps"], **without(gone)}})

    def _remember(self) -> None:
        """Before it is announced: what may be announced must be known, to be taken back."""
        platforms = {name: each["p"] for name, each in self._compose()["cmps"].items()}
        announced = Announced(self._topic, {**self._known.components, **platforms})
        if announced != self._known:
            self._announcements.keep(announced)
            self._known = announced


class Withdrawal:
    """Takes back what an earlier start announced: it would stay in Home Assistant for ever.

    With each connect, until the broker has acknowledged it, which is waited for beside the bus's thread.
    """

    def __init__(
        self,
        bus: Bus,
        announcements: Announcements,
        *,
        after: Callable[[float, Callable[[], None]], None] = _after,
    ) -> None:
        self._bus = bus
        self._announcements = announcements
        self._after = after

    def start(self) -> None:
        if self._announcements.read().topic:
            self._bus.on_connect(lambda: self._after(0.0, self._withdraw))

    def _withdraw(self) -> None:
        topic = self._announcements.read().topic
        if topic and self._bus.publish(topic, b"", retain=True, patience_s=_PATIENCE_S):
            logger.info("taken back from Home Assistant: %s", topic)
            self._announcements.keep(Announced())
