"""A backend of its own under gunicorn, to be measured: its worker processes, their CPU time and their memory."""

from __future__ import annotations

import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from models.bundle import Bundle
from protocol.errors import ServiceMissing
from protocol.inference import Message, pack_request
from protocol.tensors import Tensor
from tools.backend import Backend
from tools.benches.cloud.bare import boundary
from tools.benches.loopback import http_request
from tools.service import Service
from tools.stack import free_port

_START_TIMEOUT_S = 60.0
_POLL_S = 0.05
_KIB_PER_MIB = 1024


class Server:
    """A backend that serves one bundle. `request` is a whole request for a tail, as bytes of HTTP."""

    def __init__(self, port: int, token: str, service: Service) -> None:
        self.port = port
        self.backend = Backend(f"http://127.0.0.1:{port}", token=token)
        self._token = token
        self._service = service

    def request(self, bundle: Bundle, cut: int) -> bytes:
        specs = bundle.manifest.cut(cut).boundary
        arrays = boundary(bundle.manifest, cut)
        tensors = tuple(Tensor(spec.name, array) for spec, array in zip(specs, arrays, strict=True))
        wire = pack_request(Message(tensors, {"cut": cut, "bundle": bundle.digest, "codec": "raw"}))
        headers = {**wire.headers, "Authorization": f"Bearer {self._token}"}
        return http_request(f"/v2/models/{bundle.manifest.network}/infer", headers, wire.body)

    def workers(self) -> list[psutil.Process]:
        """The processes that serve: those that gunicorn's own has started."""
        self._service.check()
        first = psutil.Process(self._service.process.pid) if self._service.process else psutil.Process()
        return [each for each in first.children(recursive=True) if not each.children()]

    def cpu_s(self) -> float:
        """Of all workers so far, user and system, to the nanosecond (`clock_getcpuclockid(3)`; times(2) counts hundredths)."""
        return sum(time.clock_gettime(_cpu_clock(worker.pid)) for worker in self.workers())

    def memory_mib(self) -> list[dict[str, float]]:
        """Of each worker: what is resident, and its share of that where pages are shared (proc(5), smaps_rollup)."""
        return [_memory_mib(worker.pid) for worker in self.workers()]

    def wait_until_ready(self) -> None:
        """ServiceMissing when the backend does not come up."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                return self.backend.ready()
            except ServiceMissing:
                self._service.check()
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(_POLL_S)


@contextmanager
def serving(folder: Path, *, workers: int) -> Iterator[Server]:
    """A backend on a folder that ends with the block. Limits of one token do not count: the clients stand for many devices."""
    folder.mkdir()
    port, token = free_port(), secrets.token_urlsafe(24)
    options = ["--workers", str(workers), "--bind", f"127.0.0.1:{port}"]
    environment = {
        "DYNASPLIT_DATA_DIR": str(folder),
        "DYNASPLIT_OPERATOR_TOKEN": token,
        "DYNASPLIT_NODE_BUSY_WATTS": "1",
        "DYNASPLIT_MAX_IN_FLIGHT": "1000",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:cloud.gunicorn_conf", *options]
    service = Service("backend", command, environment, folder / "backend.log")
    service.start()
    server = Server(port, token, service)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.backend.close()
        service.ask_to_stop()
        service.ensure_stopped()


def _cpu_clock(pid: int) -> int:
    """Linux's clock of the CPU time of all threads of a process (MAKE_PROCESS_CPUCLOCK, include/linux/posix-timers_types.h)."""
    return ~pid << 3 | 2


def _memory_mib(pid: int) -> dict[str, float]:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = {
        name.lower(): int(kib) for name, kib in re.findall(r"^(Rss|Pss|Pss_Anon):\s+(\d+) kB$", rollup, re.MULTILINE)
    }
    return {f"{name}_mib": round(kib / _KIB_PER_MIB, 1) for name, kib in found.items()}
