"""Mosquitto, ingest and devices, each a process of its own, and a database."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from cloud.store.sql import SqlStore
from protocol.errors import ServiceMissing
from tools.benches.figures import Target
from tools.stack import free_port

LIMITS = {"sqlite": 2_000.0, "postgresql": 5_000.0}
"""Records a second, on two cores."""
_DEVICES = 50
_PATIENCE_S = 30.0


def facts(url: str, folder: Path, *, records: int, processes: int = 1) -> dict[str, Any]:
    """What becomes of a backlog of so many records that arrives at once."""
    with ExitStack() as stack:
        broker = f"mqtt://127.0.0.1:{stack.enter_context(_mosquitto(folder))}"
        ingests = [
            stack.enter_context(_ingest(broker, url, folder / f"ingest-{number}.log")) for number in range(processes)
        ]
        watch = stack.enter_context(_memory(ingests))
        before_s = _cpu_s(ingests)
        told = _devices(broker, records)
        cpu_s = _cpu_s(ingests) - before_s
    return {
        **told,
        "processes": processes,
        "records_per_s": round(told["records"] / told["seconds"]),
        "cpu_s_per_1000_records": round(cpu_s / told["records"] * 1000, 4),
        "peak_rss_mib": round(max(watch) / 2**20),
        "lost": told["records"] - _kept(url),
    }


def targets(name: str, found: dict[str, Any]) -> list[Target]:
    """The rate, and that nothing is lost."""
    return [
        Target(f"{name}: records a second", found["records_per_s"], LIMITS[name], "/s", at_least=True),
        Target(f"{name}: records lost", found["lost"], 0, ""),
    ]


def _devices(broker: str, records: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tools.benches.ingest.publisher", "--broker", broker]
    command += ["--devices", str(_DEVICES), "--records", str(records)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise ServiceMissing(f"the devices gave up: {(ended.stderr.splitlines() or ['no reason'])[-1]}")
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@contextmanager
def _mosquitto(folder: Path) -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if not program:
        raise ServiceMissing("no Mosquitto here: apt-get install mosquitto")
    port, settings = free_port(), folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    with _running([program, "-c", str(settings)], folder / "mosquitto.log", {}) as process:
        _wait_for(lambda: "running" in (folder / "mosquitto.log").read_text(), process)
        yield port


@contextmanager
def _ingest(broker: str, url: str, log: Path) -> Iterator[psutil.Process]:
    settings = {"DYNASPLIT_BROKER_URL": broker, "DYNASPLIT_DATABASE_URL": url}
    with _running([sys.executable, "-m", "cloud.ingest"], log, settings) as process:
        _wait_for(lambda: "connected to broker" in log.read_text(), process)
        yield psutil.Process(process.pid)


@contextmanager
def _running(command: Sequence[str], log: Path, settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DYNASPLIT_")}
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=clean | settings, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceMissing(f"{process.args!r:.100} did not come up")
        time.sleep(0.02)


@contextmanager
def _memory(processes: Sequence[psutil.Process]) -> Iterator[list[int]]:
    """The resident bytes of the largest of them, looked at ten times a second."""
    found, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            found.append(max(process.memory_info().rss for process in processes))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _kept(url: str) -> int:
    store = SqlStore(url)
    try:
        return store.count_inferences()
    finally:
        store.close()
