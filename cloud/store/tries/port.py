"""Wrong tries as the cloud counts them: the port."""

from __future__ import annotations

from typing import Protocol

FORGOTTEN_S = 86_400.0
"""A count that began longer ago is let go by the next one."""


class TryStore(Protocol):
    """Counts wrong tries of a peer at something: `of` says what. Times are wall time in seconds since the epoch.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away.
    """

    def note_wrong_try(self, of: str, peer: str, *, at: float, window_s: float) -> None:
        """Counts a wrong try; a count that began longer than `window_s` ago begins anew."""
        ...

    def wrong_tries(self, of: str, peer: str, *, since: float) -> int:
        """The peer's wrong tries, 0 when the count began before that time."""
        ...
