"""The limit: a tail in a loop, in a process that does nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.manifest import Manifest
from models.running.runner_choice import open_runner
from protocol.tensors import Array

_WARM_UP = 5


def boundary(manifest: Manifest, cut: int) -> list[Array]:
    """Some values for a cut's boundary, the same each time."""
    random = np.random.default_rng(0)
    return [random.random(spec.shape).astype(spec.dtype) for spec in manifest.cut(cut).boundary]


class Loop:
    """A tail that is open and has run."""

    def __init__(self, bundle: str, cut: int, cache: str) -> None:
        opened = Bundle.open(Path(bundle))
        self._runner = open_runner(opened, cache_dir=Path(cache))
        self._cut, self._given = cut, boundary(opened.manifest, cut)
        for _ in range(_WARM_UP):
            self.run_ms()

    def run_ms(self) -> float:
        """What one run takes."""
        began_s = time.perf_counter()
        self._runner.tail(self._cut, self._given)
        return (time.perf_counter() - began_s) * 1e3

    def __call__(self, seconds: float) -> dict[str, Any]:
        """`runs` within so many seconds, and `cpu_s` of all of them."""
        runs, ends_s, began_cpu_s = 0, time.perf_counter() + seconds, time.process_time()
        while time.perf_counter() < ends_s:
            self.run_ms()
            runs += 1
        return {"runs": runs, "cpu_s": time.process_time() - began_cpu_s}
