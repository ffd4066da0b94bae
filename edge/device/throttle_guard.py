"""What is measured while heat or a weak supply slows the device down means nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from hardware.throttling import Slowdown
from protocol.errors import DynaSplitError


class Throttled(DynaSplitError, RuntimeError):
    """The device is slowed down: nothing can be measured now. Try again when it is cool."""

    http_status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 4


class ThrottleGuard:
    """Refuses measurements of a device that is slowed down; with `keeps` they are only to be marked.

    So it does where a firmware that answers otherwise did not: nobody knows then. One that never answered holds up nothing.
    """

    def __init__(self, look: Callable[[], Slowdown], *, keeps: bool = False) -> None:
        self._look = look
        self._keeps = keeps
        self._answers = False

    def begin(self) -> Slowdown:
        """Before a measurement; Throttled when it would be in vain."""
        before = self._seen()
        if not self._keeps:
            _refuse(before.now, unknown=self._unknown(before))
        return before

    def end(self, before: Slowdown) -> bool:
        """After it: whether the device was slowed down at any moment since. Throttled when that is not to be kept."""
        after = self._seen()
        words, unknown = after.since(before), self._unknown(before, after)
        if not self._keeps:
            _refuse(words, unknown=unknown)
        return bool(words) or unknown

    def _seen(self) -> Slowdown:
        seen = self._look()
        self._answers |= seen.word is not None
        return seen

    def _unknown(self, *looks: Slowdown) -> bool:
        return self._answers and any(seen.word is None for seen in looks)


def _refuse(words: tuple[str, ...], *, unknown: bool) -> None:
    if words:
        raise Throttled(_refusal(words))
    if unknown:
        raise Throttled("whether the device is slowed down is not known, since its firmware does not answer: try again")


def _refusal(words: tuple[str, ...]) -> str:
    return (
        f"the device is slowed down ({', '.join(words)}), and what it measures now would mean nothing: cool it, or give it a "
        "stronger supply, and try again; the agent's setting keep_throttled keeps such measurements, marked"
    )
