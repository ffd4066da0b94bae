"""Running one measurement in a process of its own: nothing that ran before is in its memory or its CPU time.

python -m tools.benches.isolated MODULE:FUNCTION  < arguments as JSON  > result as JSON
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.running.runner import RunnerFailed
from protocol.errors import DynaSplitError, InvalidInput

ROOT = Path(__file__).parents[2]
_KIB = 1024


def apart(measure: Callable[..., Any], **arguments: Any) -> Any:
    """What `measure(**arguments)` returns in a new process; both are values that JSON can hold. Raises RunnerFailed."""
    command = [sys.executable, "-m", __name__, f"{measure.__module__}:{measure.__name__}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, input=json.dumps(arguments), capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode < 0 or not done.stdout:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise RunnerFailed(f"{measure.__name__} of {arguments} ended with code {done.returncode}: {lines[-1]:.200}")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise RunnerFailed(f"{measure.__name__}: {answer['error']}")
    return answer["result"]


class Cost:
    """What a piece of work took, filled when it is done: `cpu_s` (user and system) and `wall_s`."""

    cpu_s = 0.0
    wall_s = 0.0


@contextmanager
def timed() -> Iterator[Cost]:
    """The CPU time of this process and of those that it started and awaited, and the wall time, of the block."""
    cost, cpu, wall = Cost(), _cpu_s(), time.perf_counter()
    yield cost
    cost.cpu_s, cost.wall_s = _cpu_s() - cpu, time.perf_counter() - wall


def _cpu_s() -> float:
    return sum(os.times()[:4])


def memory_mib() -> dict[str, float]:
    """Of this process, from proc(5): resident now, what of it belongs to no file, and the most that was ever resident.

    `ru_maxrss` would not do: it begins with what the parent process had. Of the processes that this one awaited, it is an
    upper bound of the largest one's memory.
    """
    rollup = Path("/proc/self/smaps_rollup").read_text()
    peak = Path("/proc/self/status").read_text()
    kib = {
        "rss_mib": _line(rollup, "Rss"),
        "anonymous_mib": _line(rollup, "Anonymous"),
        "peak_rss_mib": _line(peak, "VmHWM"),
        "largest_child_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    }
    return {name: round(value / _KIB, 1) for name, value in kib.items()}


def _line(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise InvalidInput(f"the kernel does not tell '{name}' of a process; the bench runs on Linux")
    return int(found[1])


def _main() -> int:
    module, _, function = sys.argv[1].partition(":")
    try:
        answer = {"result": getattr(importlib.import_module(module), function)(**json.load(sys.stdin))}
    except DynaSplitError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
