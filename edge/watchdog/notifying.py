"""Words to the service manager: sd_notify(3), as one datagram each.

Twenty lines of our own: the packages that do it would be one more thing to trust on every device.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class Notifier:
    """Sends words such as `READY=1` to the socket at `address`: a path, or a name in Linux' abstract namespace after `@`.

    Without an address it does nothing; a manager that does not listen is no error. Thread-safe.
    """

    def __init__(self, address: str = "") -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Notifier:
        """To where NOTIFY_SOCKET points."""
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def __call__(self, *words: str) -> None:
        """Sends words together; a line break within one becomes a space, since it would begin another."""
        if not self._address:
            return
        message = "\n".join(word.replace("\n", " ") for word in words).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(message, self._address)
        except OSError as error:
            logger.debug("the service manager does not listen: %s", error)


def watchdog_period_s(environment: Mapping[str, str]) -> float | None:
    """How often the manager wants to hear that this process lives: half of WATCHDOG_USEC, as sd_watchdog_enabled(3) advises.

    None where it does not, or where the variable was meant for another process (WATCHDOG_PID).
    """
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 2e6 if text.isascii() and text.isdigit() and int(text) else None
