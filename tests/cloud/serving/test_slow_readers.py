"""Answers that are read slowly but without a pause: a thread is lost to nobody for as long as he likes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest

pytestmark = pytest.mark.system

SIZE = 24 * 1024**2
LARGE = f"""
import os
from pathlib import Path
from cloud.front.limits import Limits
from cloud.front.worker import Worker

FILE = Path(__file__).with_name("file")
FILE.touch()
os.truncate(FILE, {SIZE})


class Brisk(Worker):
    limits = Limits(stall_s=1.0, slowest_bytes_per_s=1e9)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/v2/health/ready":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"{{}}"]
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [("Content-Length", "{SIZE}")])
        return environ["wsgi.file_wrapper"](FILE.open("rb"))
    start_response("200 OK", [])
    return (bytes(1 << 16) for _ in range({SIZE} >> 16))
"""


def read_slowly(connection: socket.socket) -> int:
    """How many bytes come, of which some are taken every hundredth of a second: six megabytes in one at most."""
    received, tick = 0, threading.Event()
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        while piece := connection.recv(1 << 16):
            received += len(piece)
            tick.wait(0.01)
    return received


def connected(server, *, tls: ssl.SSLContext | None = None) -> socket.socket:
    """Over buffers that are small here, so that reading slowly is told over there."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", server.port))
    return tls.wrap_socket(connection, server_hostname="127.0.0.1") if tls else connection


def asked(server, path: str, *, tls: ssl.SSLContext | None = None) -> int:
    with connected(server, tls=tls) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return read_slowly(connection)


@pytest.fixture
def large_answers(tmp_path) -> list[str]:
    """gunicorn's options for an app with large answers, and a front that expects readers to be fast."""
    (tmp_path / "large_answers.py").write_text(LARGE)
    return ["--pythonpath", str(tmp_path), "--worker-class", "large_answers.Brisk", "large_answers:app"]


@pytest.mark.parametrize("path", ["/file", "/pieces"])
def test_who_keeps_behind_the_lowest_rate_is_given_up_and_others_are_served(
    start_server, eventually, large_answers, path
):
    server = start_server("--threads", "1", *large_answers)
    eventually(server.answers, "the app is ready")

    assert asked(server, path) < SIZE
    assert server.answers()
    assert "Traceback" not in server.log.read_text()


def test_so_is_who_reads_slowly_over_tls(start_server, eventually, large_answers, certificates):
    file = str(certificates / "server.pem")
    server = start_server("--certfile", file, "--keyfile", file, *large_answers)
    eventually(lambda: "Booting worker" in server.log.read_text(), "the worker is there")
    trusting = ssl.create_default_context(cafile=str(certificates / "ca.pem"))

    assert asked(server, "/file", tls=trusting) < SIZE
    assert "Traceback" not in server.log.read_text()


def feed(connection: socket.socket, request: bytes) -> None:
    """Request upon request, until no more is taken for a second, or somebody hangs up."""
    connection.settimeout(1.0)
    with contextlib.suppress(OSError):
        for _ in range(1_000):
            connection.sendall(request * 100)


@pytest.mark.parametrize(
    "request_line", ["GET /v2/health/live HTTP/1.1", "POST /v2/models/digits/infer HTTP/1.1\r\nContent-Length: 0"]
)
def test_who_asks_on_and_on_and_reads_nothing_keeps_no_thread_from_others(start_server, eventually, request_line):
    server = start_server("--threads", "2")
    eventually(server.answers, "the backend is ready")
    with contextlib.ExitStack() as stack:
        greedy = [stack.enter_context(connected(server)) for _ in range(3)]
        for connection in greedy:
            feed(connection, f"{request_line}\r\nHost: x\r\n\r\n".encode())

        assert all(server.answers() for _ in range(5))
    assert "Traceback" not in server.log.read_text()
