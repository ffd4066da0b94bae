"""The device's state, told to whoever wants to know: after each connect, when something changed, and every so often."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from protocol import topics
from protocol.bus import Bus
from protocol.state import DeviceState

logger = logging.getLogger(__name__)

_CLOSEST_S = 1.0
"""Two states are told no closer than this, however much changes."""


class StateTeller:
    """Publishes the state, retained, from a thread of its own, on which alone `look` is called.

    It sleeps until a connect, until somebody says that something changed, or until `every_s` have passed.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        device: str,
        look: Callable[[], DeviceState],
        every_s: float,
        closest_s: float = _CLOSEST_S,
    ) -> None:
        self._bus = bus
        self._topic = topics.state(device)
        self._look = look
        self._every_s = every_s
        self._closest_s = closest_s
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)

    def start(self) -> None:
        """The bus may be started before or after."""
        self._bus.on_connect(self.changed)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def changed(self) -> None:
        """Has the state told soon. May be called from any thread; returns at once."""
        self._wanted.set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait(self._every_s)
            self._wanted.clear()
            try:
                self._bus.publish(self._topic, self._look().to_bytes(), retain=True)
            except Exception:  # the outermost loop of this thread: later states must still be told
                logger.exception("the state was not told; it goes on")
            self._stopping.wait(self._closest_s)
