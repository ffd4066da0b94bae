"""The backend under gunicorn, and ingest, as processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol.inference import pack_request

pytestmark = pytest.mark.system

PATIENCE_S = 30.0
TOKEN = {"Authorization": "Bearer secret-of-the-operator"}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if condition():
            return
        assert process.poll() is None, f"the process ended with {process.returncode}"
        tick.wait(0.02)
    raise AssertionError("the condition did not come true in time")


def environment(**settings: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DYNASPLIT_", "DATABASE_URL"))}
    return clean | {f"DYNASPLIT_{name.upper()}": value for name, value in settings.items()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], log: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment(**settings), stderr=file, stdout=file, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def gunicorn(port: int, *, workers: int = 2) -> list[str]:
    options = ["--workers", str(workers), "--bind", f"127.0.0.1:{port}"]
    return [sys.executable, "-m", "gunicorn", "-c", "python:cloud.gunicorn_conf", *options]


def status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    connection.request(method, path, body=body, headers=TOKEN | headers)
    response = connection.getresponse()
    response.read()
    return response.status


@pytest.mark.system
def test_one_connection_carries_many_requests_and_outlives_refusals(tmp_path, digits, whole_request):
    port, log = free_port(), tmp_path / "log"
    settings = {"data_dir": str(tmp_path / "data"), "operator_token": "secret-of-the-operator", "node_busy_watts": "40"}
    with running(gunicorn(port), log, **settings) as process:
        wait_until(lambda: status(port, "/v2/health/ready") == 200, process)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.connect()
        first = connection.sock
        for artifact in digits.manifest.artifacts:
            content = (digits.folder / artifact.filename).read_bytes()
            assert ask(connection, "PUT", f"/api/v1/artifacts/{'0' * 64}", content) == 400
            assert ask(connection, "PUT", f"/api/v1/artifacts/{artifact.sha256}", content) == 201
        manifest = (digits.folder / "bundle.json").read_bytes()
        assert ask(connection, "PUT", f"/api/v1/bundles/{digits.digest}", manifest) == 201

        wire = pack_request(whole_request)
        answers = [ask(connection, "POST", "/v2/models/digits/infer", wire.body, **wire.headers) for _ in range(20)]
        broken = ask(connection, "POST", "/v2/models/digits/infer", wire.body[:-1], **wire.headers)
        connection.request("POST", "/v2/models/digits/infer", body=wire.body)
        refused = connection.getresponse()
        refused.read()
        again = ask(connection, "POST", "/v2/models/digits/infer", wire.body, **wire.headers)

        assert (answers, broken, refused.status, again) == ([200] * 20, 400, 401, 200)
        assert connection.sock is first
        connection.close()
    assert "Traceback" not in log.read_text()


@pytest.mark.system
def test_a_body_in_bad_chunks_is_400_in_our_words(tmp_path):
    port, log = free_port(), tmp_path / "log"
    settings = {"data_dir": str(tmp_path / "data"), "operator_token": "secret-of-the-operator", "node_busy_watts": "40"}
    head = (
        "POST /api/v1/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-of-the-operator\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with running(gunicorn(port, workers=1), log, **settings) as process:
        wait_until(lambda: status(port, "/v2/health/ready") == 200, process)
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.sendall(f"{head}zz\r\n{{}}\r\n0\r\n\r\n".encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            content = response.read()

    assert response.status == 400
    assert content.startswith(b'{"error":')
    assert "Traceback" not in log.read_text()


@pytest.mark.system
def test_a_file_that_is_no_database_is_told_and_the_backend_lives(tmp_path):
    port, log = free_port(), tmp_path / "log"
    (tmp_path / "dynasplit.sqlite").write_bytes(b"garbage " * 1000)
    settings = {"data_dir": str(tmp_path), "operator_token": "secret-of-the-operator", "node_busy_watts": "40"}
    with running(gunicorn(port, workers=1), log, **settings) as process:
        wait_until(lambda: status(port, "/v2/health/live") == 200, process)

        assert status(port, "/v2/health/ready") == 503
    assert "not a database" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.system
def test_without_its_database_the_backend_lives_but_is_not_ready(tmp_path):
    port, log = free_port(), tmp_path / "log"
    settings = {"data_dir": str(tmp_path), "operator_token": "secret-of-the-operator", "node_busy_watts": "40"}
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    with running(gunicorn(port), log, database_url=away, **settings) as process:
        wait_until(lambda: status(port, "/v2/health/live") == 200, process)

        assert status(port, "/v2/health/ready") == 503


@pytest.mark.system
def test_the_backend_dies_with_one_line_for_a_bad_setting(tmp_path):
    command = gunicorn(free_port(), workers=1)

    ended = subprocess.run(
        command,
        env=environment(data_dir=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert ended.returncode != 0
    assert "DYNASPLIT_OPERATOR_TOKEN" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("name", "value"), [("WORKERS", "two"), ("WORKERS", "-1"), ("GRACEFUL_S", "30s")])
def test_a_number_for_gunicorn_that_is_none_is_told_in_one_line(name, value):
    ended = subprocess.run(
        gunicorn(free_port())[:5],
        env=environment() | {f"DYNASPLIT_{name}": value},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert ended.returncode == 2
    assert f"DYNASPLIT_{name}" in ended.stderr
    assert value in ended.stderr
    assert ended.stderr.count("\n") == 1


def ingest() -> list[str]:
    return [sys.executable, "-m", "cloud.ingest"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "DYNASPLIT_BROKER_URL"),
        ({"broker_url": "mqtt://127.0.0.1"}, "DYNASPLIT_DATA_DIR"),
        ({"broker_url": "tcp://127.0.0.1", "data_dir": "/tmp"}, "mqtt://"),
        ({"broker_url": "mqtt://127.0.0.1", "database_url": "mysql://x"}, "mysql"),
    ],
)
def test_ingest_exits_with_2_and_one_line_for_a_bad_setting(settings, named):
    ended = subprocess.run(
        ingest(), env=environment(**settings), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )

    assert ended.returncode == 2
    assert named in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_ingest_waits_for_a_broker_and_ends_on_sigterm(tmp_path):
    log = tmp_path / "log"
    url = f"mqtt://127.0.0.1:{free_port()}"
    with running(ingest(), log, broker_url=url, data_dir=str(tmp_path / "data")) as process:
        wait_until(lambda: url in log.read_text(), process)

        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_S) == 0
    assert log.read_text().count(url) == 1
    assert "Traceback" not in log.read_text()
