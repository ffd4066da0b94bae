"""How connections end that the client holds open, or that broke: the worker process lives on."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess

import pytest

pytestmark = pytest.mark.system


FAILING = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/v2/health/ready":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"{}"]
    start_response("200 OK", [("Content-Length", "10")])
    return begun()


def begun():
    yield b"five "
    raise ValueError("the rest is missing")
"""


def processes_of(server) -> list[str]:
    command = ["pgrep", "-P", str(server.process.pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


def is_taken(connection: socket.socket) -> bool:
    """Whether a byte more is still taken: a socket that was closed answers the first one with a reset."""
    try:
        connection.sendall(b"x")
    except OSError:
        return False
    return True


def all_from(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_who_stays_after_a_refusal_is_hung_up_on_and_others_come_in(server, eventually):
    before = processes_of(server)
    with contextlib.ExitStack() as stack:
        staying = [stack.enter_context(server.connect()) for _ in range(4)]
        for connection in staying:
            connection.sendall(b"nonsense\r\n\r\n")
        eventually(lambda: not [each for each in staying if is_taken(each)], "the backend hangs up")

        coming = [stack.enter_context(server.connect()) for _ in range(10)]
        for connection in coming:
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")

        assert [connection.recv(15) for connection in coming] == [b"HTTP/1.1 200 OK"] * 10
    assert processes_of(server) == before
    assert "Traceback" not in server.log.read_text()


def test_an_answer_that_fails_halfway_ends_its_connection_alone(start_server, eventually, tmp_path):
    (tmp_path / "failing_app.py").write_text(FAILING)
    server = start_server("--pythonpath", str(tmp_path), "failing_app:app")
    eventually(server.answers, "the app is ready")
    before = processes_of(server)

    for _ in range(2):
        with server.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

            assert all_from(connection).endswith(b"\r\n\r\nfive ")
    assert server.answers()
    assert processes_of(server) == before


def test_bodies_in_chunks_that_never_end_leave_room_for_a_word(own_server):
    """Those that wait for a stream are refused at once when they are too many, and whole requests are served."""
    with contextlib.ExitStack() as stack:
        begun = [stack.enter_context(own_server.connect()) for _ in range(40)]
        for connection in begun:
            connection.sendall(
                b"POST /v2/repository/index HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-of-the-operator\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
            )

        refused, _, _ = select.select(begun, [], [], 30)

        assert all(connection.recv(12) == b"HTTP/1.1 503" for connection in refused)
        assert refused
        assert own_server.answers()


def test_who_has_no_token_sends_nothing_in_chunks(server):
    with server.connect() as connection:
        connection.sendall(b"POST /api/v1/enroll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")

        assert all_from(connection).startswith(b"HTTP/1.1 411")
