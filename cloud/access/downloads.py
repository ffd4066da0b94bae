"""How many large answers may be under way at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from werkzeug.wrappers import Response

from protocol.errors import Busy

MOST = 16
"""Half of the threads that a worker process has for them and other questions (`cloud.gunicorn_conf`, `cloud.front`)."""

_RETRY_AFTER_S = 10.0

Answer = TypeVar("Answer", bound=Response)


class Downloads:
    """Counts answers that take as long as their reader does, each in a thread. Thread-safe; each worker process has its own."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._places = threading.BoundedSemaphore(most)

    def counted(self, response: Answer) -> Answer:
        """The response, which counts until it is closed; Busy when as many are under way as may be."""
        if not self._places.acquire(blocking=False):
            response.close()
            raise Busy(f"{self._most} downloads are under way here; wait for one of them", retry_after_s=_RETRY_AFTER_S)
        _when_closed(response, partial(_give_back, [self._places]))
        return response


def _give_back(places: list[threading.BoundedSemaphore]) -> None:
    """Once, however often the response is closed."""
    while places:
        places.pop().release()


def _when_closed(response: Response, then: Callable[[], None]) -> None:
    response.call_on_close(then)
    if response.direct_passthrough:  # the server closes the file then, and never the response
        file: Any = response.response
        file.close = partial(_both, then, file.close)


def _both(first: Callable[[], None], second: Callable[[], None]) -> None:
    first()
    second()
