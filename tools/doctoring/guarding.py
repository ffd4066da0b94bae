"""Running a check so that it comes to an end, whatever it meets: files that hang, bytes that nobody expects, a bug of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator

from tools.doctoring.findings import Finding, error

logger = logging.getLogger(__name__)

DEADLINE_S = 60.0
"""For one check. Each waits for less itself, where it knows what it waits for."""

Check = Callable[[], Iterator[Finding]]


def guarded(subject: str, check: Check, *, deadline_s: float = DEADLINE_S) -> Iterator[Finding]:
    """What the check finds, and an error in its place where it fails or does not go on: then it is left behind in its thread,
    which does not keep the process alive."""
    found: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()
    threading.Thread(target=_look, args=(subject, check, found.put), name=f"check {subject}", daemon=True).start()
    while True:
        try:
            finding = found.get(timeout=deadline_s)
        except queue.Empty:
            yield error(
                subject, f"looking at it has not come to an end in {deadline_s:g} s", "see the kernel's log: dmesg"
            )
            return
        if finding is None:
            return
        yield finding


def _look(subject: str, check: Check, tell: Callable[[Finding | None], None]) -> None:
    try:
        for finding in check():
            tell(finding)
    except Exception as failure:
        logger.debug("the check of %s failed", subject, exc_info=True)
        seen = f"it cannot be looked at: {type(failure).__name__}: {failure}"
        tell(error(subject, seen, "its files may be damaged; --verbose tells where it failed"))
    tell(None)
