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


def loop(bundle: str, cut: int, cache: str, seconds: float) -> dict[str, Any]:
    """`ms` of each run, and `cpu_s` of all of them. To be called in a process of its own."""
    opened = Bundle.open(Path(bundle))
    runner, given = open_runner(opened, cache_dir=Path(cache)), boundary(opened.manifest, cut)
    for _ in range(_WARM_UP):
        runner.tail(cut, given)
    took_ms: list[float] = []
    ends_s, began_cpu_s = time.perf_counter() + seconds, time.process_time()
    while (began_s := time.perf_counter()) < ends_s:
        runner.tail(cut, given)
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    cpu_s = time.process_time() - began_cpu_s
    runner.close()
    return {"ms": took_ms, "cpu_s": cpu_s}
