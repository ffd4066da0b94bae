"""What compressed requests may unpack to, in one worker process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType

from protocol.content_encoding import CONTENT_ENCODING, Body
from protocol.errors import Busy, TooLarge
from protocol.inference import Message, unpack_request

_SMALL_BYTES = 16 * 1024**2
_MOST_LARGE = 2
_RETRY_AFTER_S = 1.0


class Unpacking:
    """Lets few requests at once unpack to more than a boundary usually is: a bomb is a thousandth of it on the wire. Thread-safe.

    One that came uncompressed is counted where it arrived.
    """

    def __init__(self, *, small_bytes: int = _SMALL_BYTES, most_large: int = _MOST_LARGE) -> None:
        self._small_bytes = small_bytes
        self._most_large = most_large
        self._places = threading.BoundedSemaphore(most_large)

    def request(self, framing: Mapping[str, str], body: Body, *, limit_bytes: int) -> _Unpacked:
        """The request, for as long as a block runs; Busy when it is a large one and there is no place for it."""
        message = self._small(framing, body, limit_bytes)
        if message is not None:
            return _Unpacked(message, None)
        if not self._places.acquire(blocking=False):
            raise Busy(
                f"{self._most_large} requests that unpack to more than {self._small_bytes} bytes are under way here; try again",
                retry_after_s=_RETRY_AFTER_S,
            )
        try:
            return _Unpacked(unpack_request(framing, body, limit_bytes=limit_bytes), self._places)
        except BaseException:
            self._places.release()
            raise

    def _small(self, framing: Mapping[str, str], body: Body, limit_bytes: int) -> Message | None:
        """The request, unless it is compressed and large."""
        if not framing.get(CONTENT_ENCODING) or limit_bytes <= self._small_bytes:
            return unpack_request(framing, body, limit_bytes=limit_bytes)
        try:
            return unpack_request(framing, body, limit_bytes=self._small_bytes)
        except TooLarge:
            return None


class _Unpacked:
    """A request, and the place that it takes."""

    def __init__(self, message: Message, places: threading.BoundedSemaphore | None) -> None:
        self._message = message
        self._places = places

    def __enter__(self) -> Message:
        return self._message

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._places:
            self._places.release()
