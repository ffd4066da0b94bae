"""Requests that the event loop serves by itself, since there is no other and nothing is waited for."""

from __future__ import annotations

import json
import socket

import pytest

pytestmark = pytest.mark.system

SIZE = 24 * 1024**2
APP = f"""
import json
import threading

from cloud.waiting import about_to_wait

asked = []


def app(environ, start_response):
    what = environ["wsgi.input"].read()
    asked.append((what.decode(), threading.current_thread() is threading.main_thread()))
    if what == b"wait":
        about_to_wait()
    if what == b"break":
        raise KeyError("broken")
    if what == b"large":
        start_response("200 OK", [("Content-Length", "{SIZE}")])
        return [bytes({SIZE})]
    body = json.dumps(asked).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def asked(start_server, eventually, tmp_path):
    """A server with an app that tells what it was asked, and whether in the loop's thread."""
    (tmp_path / "telling.py").write_text(APP)
    server = start_server("--pythonpath", str(tmp_path), "telling:app")
    eventually(server.answers, "the app is ready")
    return server


def infer(server, what: bytes) -> tuple[int, bytes]:
    status, _, body = server.ask("POST", "/v2/models/x/infer", what)
    return status, body


def told(server) -> list[list[object]]:
    """What was asked for, and whether in the loop's thread."""
    return json.loads(infer(server, b"tell")[1])


def alone(server, eventually) -> None:
    """What a thread has served before is over and done with."""
    eventually(lambda: told(server)[-1] == ["tell", True], "the loop serves again")


def test_what_waits_for_nothing_is_served_by_the_loop_and_what_would_begins_anew_in_a_thread(asked, eventually):
    alone(asked, eventually)

    infer(asked, b"a")
    infer(asked, b"wait")

    assert told(asked)[-4:-1] == [["a", True], ["wait", True], ["wait", False]]


def test_what_fails_there_is_500_and_leaves_the_loop_alive(asked, eventually):
    alone(asked, eventually)

    status, body = infer(asked, b"break")

    assert (status, json.loads(body)) == (500, {"error": "the backend failed; its log says why"})
    assert "KeyError: 'broken'" in asked.log.read_text()
    assert told(asked)[-2:] == [["break", True], ["tell", True]]


def test_a_reader_who_takes_little_keeps_nobody_waiting_and_gets_all(asked, eventually):
    alone(asked, eventually)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    slow.settimeout(30)
    with slow:
        slow.connect(("127.0.0.1", asked.port))
        slow.sendall(b"POST /v2/models/x/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nlarge" * 2)
        head = slow.recv(1)

        assert told(asked)[-2] == ["large", True]
        received = len(head)
        while received < 2 * SIZE:
            piece = slow.recv(1 << 16)
            assert piece
            received += len(piece)
