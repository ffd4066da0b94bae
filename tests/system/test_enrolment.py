"""From a code to a device that serves: backend, ingest, Mosquitto and agent as processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol.jobs import JobKind
from protocol.signing import generate_private_key, public_key_of
from tools.backend import Backend
from tools.cli import main
from tools.job import wait_for

pytestmark = [pytest.mark.system, pytest.mark.mosquitto]

DEADLINE_S = 60.0
OPERATOR = "operator-token"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextlib.contextmanager
def process(module: str, *arguments: str, log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        command = [sys.executable, "-m", module, *arguments]
        started = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | variables)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGTERM)
        started.wait(DEADLINE_S)


@pytest.fixture
def backend(shipped_broker, tmp_path) -> Iterator[Backend]:
    """Backend and ingest that let devices enrol."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    shared = {"DYNASPLIT_DATA_DIR": str(tmp_path / "cloud")}
    settings = shared | {
        "DYNASPLIT_OPERATOR_TOKEN": OPERATOR,
        "DYNASPLIT_NODE_BUSY_WATTS": "40",
        "DYNASPLIT_BROKER_URL": shipped_broker.url("backend"),
        "DYNASPLIT_BROKER_ACCOUNTS": "dynamic-security",
        "DYNASPLIT_DEVICE_BROKER_URL": f"mqtt://127.0.0.1:{shipped_broker.port}",
        "DYNASPLIT_OPERATOR_PUBLIC_KEY": public_key_of(generate_private_key()),
    }
    made = Backend(f"http://127.0.0.1:{port}", token=OPERATOR)
    arguments = ("-c", "python:cloud.gunicorn_conf", "--workers", "1", "--bind", f"127.0.0.1:{port}")
    with (
        process("gunicorn", *arguments, log=tmp_path / "backend.log", **settings),
        process(
            "cloud.ingest", log=tmp_path / "ingest.log", **shared, DYNASPLIT_BROKER_URL=shipped_broker.url("ingest")
        ),
    ):
        wait_until(lambda: answers(made), "the backend did not come up")
        yield made


def answers(backend: Backend) -> bool:
    try:
        backend.ready()
    except ConnectionError:
        return False
    return True


def availability(backend: Backend) -> str:
    (device,) = backend._web.items("/api/v1/devices")
    return str(device["availability"])


def test_an_enrolled_device_starts_serves_and_takes_jobs(backend, tmp_path, capsys):
    assert main(["enroll", "--issue", "pi-1", "--backend", backend.url, "--token", OPERATOR]) == 0
    command = capsys.readouterr().out.split()
    config, data = tmp_path / "edge.toml", tmp_path / "agent"
    here = ["-o", str(config), "--data-dir", str(data), "--board", "emulated-pi4"]
    assert main([*command[1:], *here]) == 0

    variables = {"DYNASPLIT_PORT": "0", "DYNASPLIT_RUN_DIR": str(tmp_path / "run")}
    with process("edge", "--config", str(config), log=tmp_path / "agent.log", **variables):
        wait_until(lambda: availability(backend) == "online", "the device did not come online")
        order = {"network": "digits", "bundle": "b" * 64, "codecs": ["raw"], "repeats": 1}
        job = backend.add_job("pi-1", JobKind.PROFILE, order, timeout_s=DEADLINE_S)
        ended = wait_for(backend, job, timeout_s=DEADLINE_S)
        assert (ended["state"], bool(ended["reason"])) == ("FAILED", True), "there is no such bundle"
    wait_until(lambda: availability(backend) == "stopped", "the device did not say goodbye")
