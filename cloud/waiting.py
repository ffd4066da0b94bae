"""Who must not wait: the event loop's thread, where it serves a request by itself because there is no other.

Whatever would wait for the store, for a file or for another request says so first; then the request begins anew, in a thread that
may.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType

_MUST_NOT: ContextVar[bool] = ContextVar("must_not_wait", default=False)


class WouldWait(Exception):
    """Somebody would wait who must not. Nothing was answered or counted."""


class WithoutWaiting:
    """A block that raises WouldWait rather than wait, as far as what runs in it asks `about_to_wait`."""

    def __enter__(self) -> None:
        _MUST_NOT.set(True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _MUST_NOT.set(False)


def about_to_wait() -> None:
    """WouldWait for one who must not."""
    if _MUST_NOT.get():
        raise WouldWait
