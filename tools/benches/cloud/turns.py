"""A tail in this process, behind the least of servers and behind the backend, by turns of a fraction of a second."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path

from tools.benches.cloud.bare import Loop
from tools.benches.cloud.least import least_server
from tools.benches.loopback import Caller


class Turns:
    """A tail in this process, and connections to a backend and to the least server, which run the same. For one thread."""

    def __init__(self, bundle: str, cut: int, cache: str, port: int, request: str, body_bytes: int) -> None:
        self._loop = Loop(bundle, cut, cache)
        self._caller = Caller(port)
        self._request = Path(request).read_bytes()
        self._answer_bytes = len(self._caller.ask(self._request)[0])
        head_bytes = len(self._request) - body_bytes
        server = least_server(bundle, cut, cache, head_bytes=head_bytes, answer_bytes=self._answer_bytes)
        self._open = ExitStack()
        self._least = self._open.enter_context(server)

    def __call__(self, runs: int) -> dict[str, float]:
        """Medians of so many runs after each other: `bare_ms` in the loop, `least_ms` and `served_ms` of requests.

        The first of each finds what the others have left in the processor's caches, and does not count.
        """
        turns = range(runs + 1)
        bare_ms = [self._loop.run_ms() for _ in turns]
        least_ms = [self._least.swap(self._request, reply_bytes=self._answer_bytes) for _ in turns]
        served_ms = [self._caller.ask(self._request)[1] for _ in turns]
        medians = [statistics.median(each[1:]) for each in (bare_ms, least_ms, served_ms)]
        return dict(zip(("bare_ms", "least_ms", "served_ms"), medians, strict=True))
