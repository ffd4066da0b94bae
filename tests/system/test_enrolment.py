"""From a code to a device that serves: backend, ingest, Mosquitto and agent as processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.cutting.plain import make_bundle
from models.zoo import digits_vgg, load_digits_vgg
from protocol.configuration import Configuration
from protocol.errors import DynaSplitError
from protocol.jobs import JobKind
from protocol.link import REFERENCE_LINK
from protocol.signing import generate_private_key, public_key_of, sign
from protocol.table import Row, Table
from protocol.tensors import Tensor
from tools.agent import Agent
from tools.backend import Backend
from tools.cli import main
from tools.job import wait_for

pytestmark = [pytest.mark.system, pytest.mark.mosquitto]

DEADLINE_S = 60.0
OPERATOR = "token-of-the-operator"
LOGGED_EDGE = "import logging; logging.basicConfig(level=10); from edge.__main__ import main; raise SystemExit(main())"
"""The agent, which has no setting for it, at DEBUG."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextlib.contextmanager
def process(module: str, *arguments: str, log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        command = [sys.executable, *(["-c", LOGGED_EDGE] if module == "edge" else ["-m", module]), *arguments]
        started = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | variables)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGTERM)
        started.wait(DEADLINE_S)


@dataclass(frozen=True)
class Fleet:
    """Backend and ingest that let devices enrol, over TLS; all that is secret, and the logs of the processes at DEBUG."""

    backend: Backend
    ca: Path
    private_key: str
    logs: Path
    secrets: list[str]


@pytest.fixture
def fleet(shipped_broker, tmp_path, monkeypatch) -> Iterator[Fleet]:
    ca, port, key = shipped_broker.certificates / "ca.pem", free_port(), generate_private_key()
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    shared = {"DYNASPLIT_DATA_DIR": str(tmp_path / "cloud"), "DYNASPLIT_LOG_LEVEL": "debug"}
    settings = shared | {
        "DYNASPLIT_OPERATOR_TOKEN": OPERATOR,
        "DYNASPLIT_NODE_BUSY_WATTS": "40",
        "DYNASPLIT_BROKER_URL": shipped_broker.url("backend"),
        "DYNASPLIT_BROKER_ACCOUNTS": "dynamic-security",
        "DYNASPLIT_DEVICE_BROKER_URL": f"mqtts://127.0.0.1:{shipped_broker.tls_port}",
        "DYNASPLIT_DEVICE_CA": str(ca),
        "DYNASPLIT_OPERATOR_PUBLIC_KEY": public_key_of(key),
    }
    made = Backend(f"https://127.0.0.1:{port}", token=OPERATOR)
    serving = ("-c", "python:cloud.gunicorn_conf", "--workers", "1", "--bind", f"127.0.0.1:{port}")
    files = (f"{shipped_broker.certificates}/backend.pem", f"{shipped_broker.certificates}/backend.key")
    tls = ("--certfile", files[0], "--keyfile", files[1], "--log-level", "debug", "--access-logfile", "-")
    logs = tmp_path / "logs"
    logs.mkdir()
    ingest = {"DYNASPLIT_BROKER_URL": shipped_broker.url("ingest")}
    with (
        process("gunicorn", *serving, *tls, log=logs / "backend", **settings),
        process("cloud.ingest", log=logs / "ingest", **shared, **ingest),
    ):
        wait_until(lambda: answers(made), "the backend did not come up")
        yield Fleet(made, ca, key, logs, [OPERATOR, "backend-secret", "ingest-secret", key])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(backend: Backend) -> bool:
    try:
        backend.ready()
    except ConnectionError:
        return False
    return True


def availability(backend: Backend) -> str:
    (device,) = backend._web.items("/api/v1/devices")
    return str(device["availability"])


def enrolled(fleet: Fleet, tmp_path: Path, capsys) -> Path:
    """The settings of a device that has enrolled; what is secret of it is noted."""
    assert main(["enroll", "--issue", "pi-1", "--backend", fleet.backend.url, "--token", OPERATOR]) == 0
    command = capsys.readouterr().out.split()
    config = tmp_path / "edge.toml"
    here = ["-o", str(config), "--data-dir", str(tmp_path / "agent"), "--board", "emulated-pi4"]
    assert main([*command[1:], *here, "--ca", str(fleet.ca)]) == 0
    settings = tomllib.loads(config.read_text())
    password = urllib.parse.unquote(str(urllib.parse.urlsplit(settings["broker_url"]).password))
    fleet.secrets.extend([command[-1], password, settings["device_token"], settings["operator_token"]])
    return config


def test_an_enrolled_device_serves_takes_jobs_and_no_process_logs_a_secret(fleet, tmp_path, capsys):
    backend, config, port = fleet.backend, enrolled(fleet, tmp_path, capsys), free_port()
    reading = backend.create_token("reader", scopes=["read"], ttl_s=None)["token"]
    fleet.secrets.append(reading)
    bundle = make_bundle(digits_vgg(), tmp_path / "digits", name="digits", cuts=(4,))
    backend.upload_bundle(bundle)
    row = Row(Configuration(4, 1_400_000), 4.5, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)
    backend.push(sign(Table("digits", bundle.digest, "pi-1", REFERENCE_LINK, (row,), 1), fleet.private_key))

    variables = {"DYNASPLIT_PORT": str(port), "DYNASPLIT_RUN_DIR": str(tmp_path / "run")}
    with process("edge", "--config", str(config), log=fleet.logs / "agent", **variables):
        wait_until(lambda: availability(backend) == "online", "the device did not come online")
        agent = Agent(f"http://127.0.0.1:{port}")
        wait_until(lambda: serves(agent), "the device did not take its table")
        answer = agent.infer("digits", [Tensor("image", load_digits_vgg().input(7))], {})
        wait_until(lambda: len(list(backend.inferences(device="pi-1"))) > 0, "the record did not reach the store")
        order = {"network": "digits", "bundle": "b" * 64, "codecs": ["raw"], "repeats": 1}
        job = backend.add_job("pi-1", JobKind.PROFILE, order, timeout_s=DEADLINE_S)
        ended = wait_for(backend, job, timeout_s=DEADLINE_S)
    wait_until(lambda: availability(backend) == "stopped", "the device did not say goodbye")

    assert (answer.configuration.cut, ended["state"], bool(ended["reason"])) == (4, "FAILED", True)
    said = "".join(path.read_text() for path in fleet.logs.iterdir())
    assert all(level in said for level in ("DEBUG", "INFO"))
    assert [secret for secret in fleet.secrets if secret in said] == []


def serves(agent: Agent) -> bool:
    try:
        agent.network("digits")
    except DynaSplitError:
        return False
    return True


def test_a_device_that_trusts_another_authority_keeps_its_code(fleet, shipped_broker, tmp_path, capsys):
    main(["enroll", "--issue", "pi-1", "--backend", fleet.backend.url, "--token", OPERATOR])
    command = capsys.readouterr().out.split()
    here = ["-o", str(tmp_path / "edge.toml"), "--board", "emulated-pi4"]
    other = str(shipped_broker.certificates / "other" / "ca.pem")

    assert main([*command[1:], *here, "--ca", other]) == 2
    assert "cannot be trusted" in capsys.readouterr().err
    assert main([*command[1:], *here, "--ca", str(fleet.ca)]) == 0
