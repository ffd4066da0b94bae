"""Who changed what, as the cloud keeps it: the port and its value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MOST_FORGOTTEN = 2
"""Lines that one more line lets go."""


@dataclass(frozen=True)
class AuditLine:
    """A request that was to change something. `at`: wall time in seconds since the epoch.

    `who`: the token's name, `operator` for that of the settings, `device NAME`, `-` for nobody who is known. `peer`: the
    address that it came from. `what`: method and path. `on`: what it was about where the path does not say, "" otherwise.
    `status`: how it ended, as HTTP tells it.
    """

    at: float
    who: str
    peer: str
    what: str
    on: str
    status: int
    request_id: str


class AuditStore(Protocol):
    """Audit lines. As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away."""

    def add_audit(self, line: AuditLine, *, forget_before: float) -> None:
        """Keeps a line, and lets the oldest go of those from before that time, two at most: who asked while the clock was
        wrong takes hardly any with it."""
        ...

    def audit(self, *, limit: int, until: float | None = None) -> list[AuditLine]:
        """At most `limit` lines, latest first; with `until` only those from that time or before."""
        ...
