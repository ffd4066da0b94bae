"""The watchdog: tells the service manager that the agent lives, as long as every part of it does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from edge.watchdog.notifying import Notifier

logger = logging.getLogger(__name__)

Sign = Callable[[], bool]
"""Whether a part of the agent lives; answers within seconds, from the watchdog's thread."""


class Watchdog:
    """Looks at all signs of life every `period_s`, and says `WATCHDOG=1` when none is missing.

    When one is, it says nothing more than which one, in the status: the manager then ends the agent and starts it again. A
    part that comes back in time is heard again.
    """

    def __init__(self, notify: Notifier, signs: Mapping[str, Sign], *, period_s: float) -> None:
        self._notify = notify
        self._signs = signs
        self._period_s = period_s
        self._missing: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """It does not wait for a sign that is being looked at."""
        self._stopping.set()

    def look(self) -> None:
        """Looks once, and tells."""
        missing = [name for name, sign in self._signs.items() if not _given(name, sign)]
        if missing != self._missing:
            logger.log(logging.ERROR if missing else logging.INFO, "without a sign of life: %s", missing or "nothing")
            self._notify(f"STATUS=without a sign of life: {', '.join(missing)}" if missing else "STATUS=serves again")
            self._missing = missing
        if not missing:
            self._notify("WATCHDOG=1")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.look()
            self._stopping.wait(self._period_s)


def _given(name: str, sign: Sign) -> bool:
    try:
        return sign()
    except Exception:  # a sign that cannot be read is none
        logger.exception("the sign of %s failed", name)
        return False
