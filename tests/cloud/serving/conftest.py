"""A real gunicorn with the backend's settings, on loopback."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE_S = 30.0
TOKEN = "secret-of-the-operator"


@dataclass
class Server:
    """A backend as processes of their own."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: bytes | None = None, *, token: str = TOKEN, **headers: str):
        """Status, headers and body of the answer, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body=body, headers={"Authorization": f"Bearer {token}"} | headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def upload(self, bundle) -> None:
        for artifact in bundle.manifest.artifacts:
            content = (bundle.folder / artifact.filename).read_bytes()
            assert self.ask("PUT", f"/api/v1/artifacts/{artifact.sha256}", content)[0] in (200, 201)
        manifest = (bundle.folder / "bundle.json").read_bytes()
        assert self.ask("PUT", f"/api/v1/bundles/{bundle.digest}", manifest)[0] in (200, 201)

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.ask("GET", "/v2/health/ready")[0] == 200)
        return False

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"{what} within {PATIENCE_S:g} s"
        time.sleep(0.02)


StartServer = Callable[..., Server]


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts backends, each on a folder of its own: `workers`, further options of gunicorn, and settings by name."""
    with contextlib.ExitStack() as stack:

        def start(*options: str, workers: int = 1, **settings: str) -> Server:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            folder = tmp_path_factory.mktemp("backend")
            log = folder / "log"
            given = {"data_dir": str(folder / "data"), "operator_token": TOKEN, "node_busy_watts": "40"} | settings
            clean = {
                name: value for name, value in os.environ.items() if not name.startswith(("DYNASPLIT", "DATABASE"))
            }
            file = stack.enter_context(log.open("wb"))
            command = ["-c", "python:cloud.gunicorn_conf", "--workers", str(workers), "--bind", f"127.0.0.1:{port}"]
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *command, *options],
                env=clean | {f"DYNASPLIT_{name.upper()}": value for name, value in given.items()},
                stdout=file,
                stderr=file,
            )
            stack.callback(_end, process)
            return Server(port, process, log)

        yield start


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    """One worker process that is ready, for all tests of a file that leave it as it was."""
    return _ready(start_server)


@pytest.fixture
def own_server(start_server: StartServer) -> Server:
    """The same for one test, which may end it or load it."""
    return _ready(start_server)


def _ready(start_server: StartServer) -> Server:
    started = start_server()
    wait_until(started.answers, "the backend is ready")
    return started


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], bool], str], None]:
    return wait_until
