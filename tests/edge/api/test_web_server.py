"""The server under the API: what it refuses by itself is JSON too, and refused before it has arrived."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest
from flask import Flask, request
from waitress import wasyncore
from waitress.server import BaseWSGIServer

from edge.api.web_server import make_server, serve, waited_s
from protocol.content_encoding import MAX_BODY_BYTES


def stop(server: BaseWSGIServer) -> None:
    """Closes it from its own loop. The loop may be awake already and close the trigger before this thread has rung it."""
    with contextlib.suppress(OSError):
        server.trigger.pull_trigger(server.close)


@pytest.fixture
def answering():
    """Set when what waits shall be answered."""
    return threading.Event()


@pytest.fixture
def connection(answering):
    app = Flask("echo")

    @app.post("/")
    def echo() -> bytes:
        return request.get_data()

    @app.post("/wait")
    def wait() -> bytes:
        assert answering.wait(20)
        return b"waited"

    @app.post("/age")
    def age() -> dict[str, float]:
        return {"waited_s": waited_s(request.environ)}

    listening = socket.create_server(("127.0.0.1", 0))
    server = make_server(app, listening, threads=1)
    port = listening.getsockname()[1]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    connected = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    yield connected
    connected.close()
    stop(server)
    thread.join(20)
    server.task_dispatcher.shutdown()
    assert not thread.is_alive()


def error_of(reply: http.client.HTTPResponse, status: int) -> str:
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/json"
    return str(json.loads(reply.read())["error"])


def test_a_body_over_the_limit_is_refused_by_its_header(connection):
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    assert "Too Large" in error_of(connection.getresponse(), 413)


@pytest.mark.parametrize(
    ("name", "value", "status"), [("Content-Length", "many", 400), ("Transfer-Encoding", "rot13", 501)]
)
def test_what_is_no_http_is_refused_in_json(connection, name, value, status):
    connection.putrequest("POST", "/")
    connection.putheader(name, value)
    connection.endheaders()
    assert error_of(connection.getresponse(), status)


def test_what_is_in_order_reaches_the_app(connection):
    connection.request("POST", "/", body=b"hello")
    assert connection.getresponse().read() == b"hello"


@pytest.mark.parametrize("size", [1, 1 << 16, 1 << 20])
def test_answers_of_any_size_arrive_whole(connection, size):
    for filler in (b"a", b"b"):
        connection.request("POST", "/", body=filler * size)
        reply = connection.getresponse()
        assert reply.headers["Content-Length"] == str(size)
        assert reply.read() == filler * size


def test_an_answer_without_a_body_leaves_the_connection_in_order(connection):
    for _ in range(2):
        connection.request("POST", "/", body=b"")
        assert connection.getresponse().read() == b""


def test_a_request_counts_from_its_last_byte(connection):
    began_s = time.monotonic()
    connection.request("POST", "/age", body=b"hello")
    told = json.loads(connection.getresponse().read())
    assert 0 < told["waited_s"] < time.monotonic() - began_s


def held_open(port: int, sent: bytes, held: contextlib.ExitStack) -> list[socket.socket]:
    """More connections than are kept."""
    made = [held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(300)]
    for each in made:
        with contextlib.suppress(ConnectionError):  # it has been let go
            each.sendall(sent)
    return made


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nContent-Le"])
def test_connections_that_ask_nothing_keep_nobody_out(connection, sent):
    with contextlib.ExitStack() as held:
        made = held_open(connection.port, sent, held)
        connection.request("POST", "/", body=b"hello")
        assert connection.getresponse().read() == b"hello"
        with contextlib.suppress(ConnectionResetError):
            assert made[0].recv(1) == b""


def test_a_caller_who_waits_for_its_answer_is_not_let_go_for_others(connection, answering):
    slow = http.client.HTTPConnection("127.0.0.1", connection.port, timeout=20)
    slow.request("POST", "/wait")
    with contextlib.ExitStack() as held:
        held_open(connection.port, b"", held)
        answering.set()
        assert slow.getresponse().read() == b"waited"
    slow.close()


class Interruption(wasyncore.dispatcher):
    """Interrupts a server's loop as a signal does."""

    def __init__(self, server: BaseWSGIServer) -> None:
        self._ours, its = socket.socketpair()
        super().__init__(its, map=server._map)

    def __call__(self) -> None:
        self._ours.send(b"x")

    def writable(self) -> bool:
        return False

    def handle_read(self) -> None:
        self.close()
        self._ours.close()
        raise KeyboardInterrupt


def posted(port: int, body: bytes = b"") -> http.client.HTTPConnection:
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    made.request("POST", "/", body=body)
    return made


def test_at_the_end_all_who_have_asked_are_answered_and_nobody_new(wait_until):
    """One is being answered, one waits for a thread; what they wait for ends with the server, not after it."""
    ended, asked, size = threading.Event(), [], 4 << 20

    def app(_environ, start_response):
        asked.append(1)
        assert ended.wait(20)
        start_response("200 OK", [("Content-Length", str(size))])
        return [b"x" * size]

    listening = socket.create_server(("127.0.0.1", 0))
    server = make_server(app, listening, threads=1)
    interrupt = Interruption(server)
    thread = threading.Thread(target=serve, args=(server,), kwargs={"ending": ended.set})
    thread.start()
    port = listening.getsockname()[1]
    callers = [posted(port), posted(port)]
    wait_until(lambda: sum(bool(channel.requests) for channel in list(server.active_channels.values())) == 2)
    interrupt()
    ended.wait(20)
    assert [len(caller.getresponse().read()) for caller in callers] == [size, size]
    thread.join(20)
    assert not thread.is_alive() and len(asked) == 2
    wasyncore.close_all(server._map)
    for caller in callers:
        caller.close()
