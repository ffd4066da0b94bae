"""Fetching bundles that tables need, beside all else that is decided about tables."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from protocol.errors import DynaSplitError, ServiceMissing

logger = logging.getLogger(__name__)

Want = TypeVar("Want")
"""Who wants a bundle; one at a time each."""


class Fetching(Generic[Want]):
    """Fetches one bundle after the other on a thread of its own, since each may take hours.

    `fetch` is called with a digest, `arrived` with who wanted it, also where it can never come: who looks then finds the
    same. While the source is away (ServiceMissing) it is tried again, ever less often, until it answers or something
    else is wanted.
    """

    def __init__(
        self, fetch: Callable[[str], None], *, arrived: Callable[[Want], None], retry_s: float, longest_s: float
    ) -> None:
        self._fetch = fetch
        self._arrived = arrived
        self._retry_s = retry_s
        self._longest_s = longest_s
        self._changed = threading.Condition()
        self._wanted: dict[Want, str] = {}
        self._renewed = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="bundles", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """A download that is on its way goes on at the next start where it stands."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def want(self, want: Want, digest: str) -> None:
        """Queues a bundle; returns at once. What the same one wanted before is forgotten."""
        with self._changed:
            self._wanted[want] = digest
            self._renewed = True
            self._changed.notify_all()

    def _run(self) -> None:
        delay_s = self._retry_s
        while (wanted := self._next()) is not None:
            waiting = [want for want, digest in wanted.items() if not self._settled(want, digest)]
            if not waiting:
                delay_s = self._retry_s
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._renewed or self._stopping, timeout=delay_s)
            delay_s = min(2 * delay_s, self._longest_s)

    def _next(self) -> dict[Want, str] | None:
        """What is wanted, once something is; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._stopping)
            self._renewed = False
            return None if self._stopping else dict(self._wanted)

    def _settled(self, want: Want, digest: str) -> bool:
        """Whether it need not be tried again."""
        try:
            self._fetch(digest)
        except ServiceMissing as error:
            logger.warning("bundle %.12s waits: %s", digest, error)
            return False
        except DynaSplitError as error:
            logger.debug("bundle %.12s cannot be had: %s", digest, error)
        except Exception:  # the outermost loop of this thread: other bundles must still come
            logger.exception("could not fetch bundle %.12s", digest)
        with self._changed:
            if self._wanted.get(want) != digest:
                return True
            del self._wanted[want]
        self._arrived(want)
        return True
