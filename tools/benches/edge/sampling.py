"""How regularly the power sampler samples while inference takes all cores, what it costs, and how true its energies are."""

from __future__ import annotations

import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from edge.metering.energy import Energies, Stretch
from edge.metering.sampled_gauge import SampledGauge
from edge.metering.sampler import Sampler
from edge.metering.sampling import Opener
from hardware.power.opening import MeterSpec, open_meter
from tools.benches.edge.wave_meter import OpenWave, joules_at
from tools.benches.figures import Target, spread

LONGEST_GAP_MS = 200.0
IDLE_CPU_PERCENT = 0.5
RSS_MIB = 30.0
COUNTED_ERROR_PERCENT = 1.0
SAMPLED_ERROR_PERCENT = 5.0

_WINDOWS_S = (0.02, 0.1, 0.4, 1.0)
_MIB = 2**20

_COMPUTE = """
import sys
import numpy as np
weights = np.ones((256, 256), np.float32)
sys.stdout.write("computes\\n")
sys.stdout.flush()
while True:
    weights = (weights @ weights) * np.float32(1 / 256)
"""


def facts(*, seconds: float) -> dict[str, Any]:
    """Idle for so many seconds, then as long under load, for a meter with a joule counter and for one without."""
    with tempfile.TemporaryDirectory() as folder:
        sensor = functools.partial(open_meter, MeterSpec("hwmon", sys=_sensor(Path(folder))))
        idle = _idle(sensor, seconds)
    return {
        "cores": os.cpu_count(),
        "idle": idle,
        "loaded": {
            "counter": _loaded(OpenWave(counts_joules=True), seconds),
            "watts": _loaded(OpenWave(counts_joules=False), seconds),
        },
    }


def targets(found: Mapping[str, Any]) -> list[Target]:
    """What is asked of the sampler."""
    errors = {"counter": COUNTED_ERROR_PERCENT, "watts": SAMPLED_ERROR_PERCENT}
    return [
        Target("sampler: CPU of one core while idle", found["idle"]["cpu_percent"], IDLE_CPU_PERCENT, "%"),
        Target("sampler: resident memory", found["idle"]["rss_mib"], RSS_MIB, "MiB"),
        *(
            Target(f"sampler: longest gap, all cores busy ({kind})", loaded["longest_gap_ms"], LONGEST_GAP_MS, "ms")
            for kind, loaded in found["loaded"].items()
        ),
        *(
            Target(
                f"sampler: error of a window's energy, 0.4 s and more, median ({kind})",
                loaded["error_percent"]["median"],
                errors[kind],
                "%",
            )
            for kind, loaded in found["loaded"].items()
        ),
    ]


def _idle(opener: Opener, seconds: float) -> dict[str, Any]:
    with _sampling(opener) as sampler:
        process = psutil.Process(sampler.pid)
        before_s, began_s, written = _cpu_s(process), time.monotonic(), sampler.ring.written
        time.sleep(seconds)
        took_s = time.monotonic() - began_s
        return {
            "cpu_percent": round((_cpu_s(process) - before_s) / took_s * 100, 3),
            "samples_per_s": round((sampler.ring.written - written) / took_s, 2),
            "rss_mib": round(process.memory_info().rss / _MIB, 1),
        }


def _loaded(opener: Opener, seconds: float) -> dict[str, Any]:
    """Windows one after the other, of several lengths, while every core computes."""
    with _sampling(opener) as sampler, _all_cores_busy():
        energies = Energies(SampledGauge(sampler, clock=time.monotonic))
        process = psutil.Process(sampler.pid)
        before_s, began_s = _cpu_s(process), time.monotonic()
        stretches: list[Stretch] = []
        asked_ms: list[float] = []
        while time.monotonic() - began_s < seconds:
            window = energies.open()
            time.sleep(_WINDOWS_S[len(stretches) % len(_WINDOWS_S)])
            stretches.append(window.close())
            asking_s = time.perf_counter()
            _ = stretches[-1].energy
            asked_ms.append((time.perf_counter() - asking_s) * 1e3)
        took_s, stalls = time.monotonic() - began_s, sampler.stalls
        gaps_ms = [(after.at_s - before.at_s) * 1e3 for before, after in pairwise(sampler.ring.since(began_s))]
        return {
            "cpu_percent": round((_cpu_s(process) - before_s) / took_s * 100, 3),
            "samples_per_s": round(len(gaps_ms) / took_s, 1),
            "gap_ms": spread(gaps_ms),
            "longest_gap_ms": round(max([*gaps_ms, stalls.longest_s * 1e3]), 1),
            "gaps_over_200_ms": stalls.count,
            "asking_ms": spread(asked_ms),
            **_errors(stretches),
        }


def _errors(stretches: list[Stretch]) -> dict[str, Any]:
    """How far off the energies are, of all windows by length and of the longer ones together."""
    by_length: dict[str, list[float]] = {}
    for number, stretch in enumerate(stretches):
        truth_mj = (joules_at(stretch.ended_s) - joules_at(stretch.began_s)) * 1e3
        error = abs(stretch.energy.mj / truth_mj - 1) * 100
        by_length.setdefault(f"{_WINDOWS_S[number % len(_WINDOWS_S)]:g} s", []).append(error)
    longer = [error for length, errors in by_length.items() if float(length[:-2]) >= 0.4 for error in errors]
    measured = statistics.fmean(stretch.energy.provenance == "measured" for stretch in stretches)
    return {
        "windows": len(stretches),
        "measured_share": round(measured, 3),
        "error_percent_by_length": {length: spread(errors) for length, errors in by_length.items()},
        "error_percent": spread(longer),
    }


@contextmanager
def _sampling(opener: Opener) -> Iterator[Sampler]:
    sampler = Sampler(opener)
    sampler.start()
    try:
        while sampler.ring.written < 2:
            time.sleep(0.01)
        yield sampler
    finally:
        sampler.close()


@contextmanager
def _all_cores_busy() -> Iterator[None]:
    """A process per core that multiplies matrices, as inference does."""
    single = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([sys.executable, "-c", _COMPUTE], stdout=subprocess.PIPE, env=single)
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        for worker in workers:
            if worker.stdout:
                worker.stdout.readline()
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _sensor(folder: Path) -> Path:
    """A tree with a sensor as the kernel shows it."""
    sensor = folder / "class/hwmon/hwmon0"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("ina219\n")
    (sensor / "power1_input").write_text("2500000\n")
    return folder


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
