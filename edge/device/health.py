"""How far something that failed may be relied on again: not at all for a while, then for one try, then for longer or as before."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True)
class Health:
    """Well as long as `reason` is "". Otherwise: why not, since when, and from when on the next try may be made; times are on
    the monotonic clock. Each failure in a row doubles the pause, up to five minutes; one success heals."""

    reason: str = ""
    since_s: float = 0.0
    retry_s: float = 0.0
    pause_s: float = 0.0

    def usable(self, now_s: float) -> bool:
        return not self.reason or now_s >= self.retry_s

    def failed(self, reason: str, now_s: float) -> Health:
        pause_s = min(max(self.pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        return Health(reason, self.since_s if self.reason else now_s, now_s + pause_s, pause_s)

    def at_once(self, now_s: float) -> Health:
        """The next try may be made now: something has changed that may have mended it."""
        return Health(self.reason, self.since_s, now_s, 0.0) if self.reason else self


WELL = Health()
