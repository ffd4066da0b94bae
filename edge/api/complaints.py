"""Which refusals are news: a device that cannot serve says so once, not with each request that it refuses."""

from __future__ import annotations

import logging
import threading

from edge.device.throttle_guard import Throttled
from protocol.errors import DeadlineHopeless, DynaSplitError

logger = logging.getLogger(__name__)

_NOT_THE_CALLERS_FAULT = 500
"""From this status on (RFC 9110, section 15.6)."""

_ONE_REQUEST_S_OWN = (DeadlineHopeless, Throttled)
"""A deadline that cannot be met, and a measurement that would not be sound: other requests are served meanwhile."""


class Complaints:
    """Warns when requests to a network begin to be refused for a reason of the device's, by kind of reason, and says when they
    are answered again. Each refusal alone is in the records. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: dict[str, str] = {}

    def refused(self, network: str, error: DynaSplitError) -> None:
        """What one request alone is refused for is no news."""
        if error.http_status < _NOT_THE_CALLERS_FAULT or isinstance(error, _ONE_REQUEST_S_OWN):
            return
        kind = type(error).__name__
        with self._lock:
            news = self._refused.get(network) != kind
            self._refused[network] = kind
        if news:
            logger.warning("requests to %s are refused: %s: %s", network, kind, error)

    def answered(self, network: str) -> None:
        if network not in self._refused:
            return
        with self._lock:
            kind = self._refused.pop(network, "")
        if kind:
            logger.info("requests to %s are answered again", network)
