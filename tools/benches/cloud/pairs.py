"""One client that runs the tail by itself and has it run by the backend, by turns of a fraction of a second."""

from __future__ import annotations

import statistics
from pathlib import Path

from tools.benches.cloud.bare import Loop
from tools.benches.loopback import Caller


class Pair:
    """A tail in this process, and a connection to a backend that runs the same. For one thread."""

    def __init__(self, bundle: str, cut: int, cache: str, port: int, request: str) -> None:
        self._loop = Loop(bundle, cut, cache)
        self._caller = Caller(port)
        self._request = Path(request).read_bytes()

    def __call__(self, runs: int) -> dict[str, float]:
        """Medians of so many runs after each other: `bare_ms` in the loop, `served_ms` of requests.

        The first of each finds what the other has left in the processor's caches, and does not count.
        """
        bare_ms = [self._loop.run_ms() for _ in range(runs + 1)]
        served_ms = [self._caller.ask(self._request)[1] for _ in range(runs + 1)]
        return {"bare_ms": statistics.median(bare_ms[1:]), "served_ms": statistics.median(served_ms[1:])}
