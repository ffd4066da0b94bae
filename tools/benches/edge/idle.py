"""What the agent takes while nobody asks anything of it: memory and CPU of the front, the runner and the sampler."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from hardware.fakes.kernel_trees import make_pi4
from protocol.errors import ServiceMissing
from tools.benches.figures import Target
from tools.benches.isolated import ROOT

CPU_PERCENT = 1.0
MEMORY_MIB = 120.0

_START_S = 60.0
_SETTLE_S = 5.0
_MIB = 1 << 20

_NAMES = {"front": "--config", "sampler": "edge.metering.sampler_process", "runner": "edge.runners.child"}
"""The agent's processes, by a word of their command lines."""


def facts(*, seconds: float = 60.0) -> dict[str, Any]:
    """Of an agent on the emulated board, and of one that takes a file tree for a Pi 4 with a power sensor, so that its sampler
    runs as well. Neither has a broker, a backend or a bundle."""
    return {
        "emulated": _measured({"board": "emulated-pi4"}, seconds),
        "pi4": _measured({"board": "linux", "meter": "hwmon"}, seconds),
    }


def targets(found: Mapping[str, Any]) -> list[Target]:
    """What is asked of an agent before a bundle is loaded, of all its processes together. RSS counts a page in each process
    that has it, PSS once: the limit holds for both."""
    return [
        target
        for name, figures in found.items()
        for target in (
            Target(f"idle agent ({name}), CPU of one core", figures["cpu_percent"], CPU_PERCENT, "%"),
            Target(f"idle agent ({name}), PSS of all processes", figures["pss_mib"], MEMORY_MIB, "MiB"),
            Target(f"idle agent ({name}), RSS of all processes", figures["rss_mib"], MEMORY_MIB, "MiB"),
        )
    ]


def _measured(change: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, _agent(Path(folder), change) as process:
        time.sleep(_SETTLE_S)
        return _figures(process, seconds)


def _figures(front: psutil.Process, seconds: float) -> dict[str, Any]:
    """CPU over a stretch of idle time, and the memory at its end. A page that processes share counts once in `pss_mib`, as a
    part in each; `rss_mib` counts it in each."""
    processes = [front, *front.children(recursive=True)]
    before, began = [_cpu_s(process) for process in processes], time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - began
    spent = [_cpu_s(process) - earlier for process, earlier in zip(processes, before, strict=True)]
    memory = [process.memory_full_info() for process in processes]
    return {
        "cpu_percent": 100 * sum(spent) / took_s,
        "pss_mib": sum(each.pss for each in memory) / _MIB,
        "rss_mib": sum(each.rss for each in memory) / _MIB,
        "processes": [
            {
                "name": name,
                "rss_mib": each.rss / _MIB,
                "pss_mib": each.pss / _MIB,
                "cpu_percent": 100 * cpu_s / took_s,
            }
            for name, each, cpu_s in zip(map(_name, processes), memory, spent, strict=True)
        ],
    }


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    return next((name for name, word in _NAMES.items() if any(word in each for each in words)), "another")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _agent(folder: Path, change: Mapping[str, Any]) -> Iterator[psutil.Process]:
    """An agent that serves; ServiceMissing where it does not come up."""
    port = _free_port()
    sysfs = folder / "sys"
    make_pi4(sysfs)
    _plug_in_sensor(sysfs / "class/hwmon/hwmon9")
    settings = {
        "device": "idle",
        "data_dir": str(folder / "data"),
        "run_dir": str(folder / "run"),
        "sysfs": str(sysfs),
        "backend_url": "http://127.0.0.1:9",
        "device_token": "none",
        "broker_url": "mqtt://127.0.0.1:9",
        "operator_token": "none",
        "operator_public_key": base64.b64encode(bytes(32)).decode(),
        "port": port,
        **change,
    }
    config = folder / "edge.toml"
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    command = [sys.executable, "-m", "edge", "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, stderr=log, env=environment)
        try:
            if not _serves(port, process):
                raise ServiceMissing(f"the agent did not come up: {(folder / 'log').read_text()[-300:]}")
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def _plug_in_sensor(folder: Path) -> None:
    """An INA219 in the supply, at 3 W."""
    folder.mkdir(parents=True)
    for name, text in (("name", "ina219"), ("power1_input", "3000000"), ("update_interval", "2")):
        (folder / name).write_text(f"{text}\n")


def _serves(port: int, process: subprocess.Popen[bytes]) -> bool:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/live", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
