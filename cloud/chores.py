"""What a process does again and again beside its work, on threads of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from protocol.errors import ServiceMissing

logger = logging.getLogger(__name__)

_STOP_S = 1.5


class Chore:
    """Calls `do` every `every_s` seconds, from its start until it is stopped.

    ServiceMissing is told once until it goes well again; nothing else that `do` raises ends it.
    """

    def __init__(self, name: str, do: Callable[[], None], *, every_s: float) -> None:
        self._name = name
        self._do = do
        self._every_s = every_s
        self._stopping = threading.Event()
        self._missing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns within two seconds; what is being done then dies with the process."""
        self._stopping.set()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            self.once()

    def once(self) -> None:
        """Does it now."""
        try:
            self._do()
        except ServiceMissing as error:
            if not self._missing:
                logger.warning("%s: %s; trying again", self._name, error)
            self._missing = True
        except Exception:  # the outermost loop of its thread: it must outlive what nobody foresaw
            logger.exception("%s stumbled; it goes on", self._name)
        else:
            self._missing = False
