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
    """Refuses measurements of a device that is slowed down; with `keeps` they are only to be marked."""

    def __init__(self, look: Callable[[], Slowdown], *, keeps: bool = False) -> None:
        self._look = look
        self._keeps = keeps

    def begin(self) -> Slowdown:
        """Before a measurement; Throttled when it would be in vain."""
        before = self._look()
        if before.now and not self._keeps:
            raise Throttled(_refusal(before.now))
        return before

    def end(self, before: Slowdown) -> bool:
        """After it: whether the device was slowed down at any moment since. Throttled when that is not to be kept."""
        words = self._look().since(before)
        if words and not self._keeps:
            raise Throttled(_refusal(words))
        return bool(words)


def _refusal(words: tuple[str, ...]) -> str:
    return (
        f"the device is slowed down ({', '.join(words)}), and what it measures now would mean nothing: cool it, or give it a "
        "stronger supply, and try again; the agent's setting keep_throttled keeps such measurements, marked"
    )
