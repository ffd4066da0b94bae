"""Metrics of several worker processes, under a real gunicorn."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.system

PATIENCE_S = 30.0
SETTINGS = {"OPERATOR_TOKEN": "secret-of-the-operator", "NODE_BUSY_WATTS": "40", "LOG_FORMAT": "json", "WORKERS": "2"}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if condition():
            return
        assert process.poll() is None, f"the process ended with {process.returncode}"
        tick.wait(0.02)
    raise AssertionError("the condition did not come true in time")


def get(port: int, path: str) -> tuple[int, str]:
    """Over a connection of its own, so that any worker may answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Authorization": "Bearer secret-of-the-operator"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def counted(port: int) -> float:
    families = text_string_to_metric_families(get(port, "/metrics")[1])
    wanted = {"endpoint": "models_v2.server", "status": "200"}
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "dynasplit_requests_total" and sample.labels == wanted
    )


def children(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the workers count, with what an earlier start has left there."""
    folder = tmp_path / "counts"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"left over")
    return folder


@pytest.fixture
def backend(tmp_path, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DYNASPLIT_", "DATABASE_URL"))}
    ours = {f"DYNASPLIT_{name}": value for name, value in SETTINGS.items()}
    ours |= {"DYNASPLIT_DATA_DIR": str(tmp_path / "data"), "DYNASPLIT_BIND": f"127.0.0.1:{port}"}
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-m", "gunicorn", "-c", "python:cloud.gunicorn_conf"]
        environment = clean | ours | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: get(port, "/v2/health/ready")[0] == 200 and len(children(process)) == 2, process)
        yield process, port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_any_worker_tells_the_sum_of_all_and_of_those_that_have_ended(backend, tmp_path):
    process, port = backend
    assert [get(port, "/v2")[0] for _ in range(40)] == [200] * 40
    assert {counted(port) for _ in range(10)} == {40}

    first = children(process)[0]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in children(process) and len(children(process)) == 2, process)
    wait_until(lambda: get(port, "/v2/health/live")[0] == 200, process)

    assert counted(port) == 40
    text = get(port, "/metrics")[1]
    assert "\ndynasplit_queue_seconds " in text
    assert "\ndynasplit_store_up 1.0" in text
    assert all(line.startswith("{") for line in (tmp_path / "log").read_text().splitlines())
