"""The watchdog: silent as soon as one sign of life is missing."""

from __future__ import annotations

import contextlib
import socket
import threading
from functools import partial

import pytest

from edge.api.web_server import connection_within, make_server
from edge.runners.process import RunnerProcess
from edge.watchdog.signs import server_answers, threads_live
from edge.watchdog.watching import Watchdog


class Heard(list):
    """What the service manager heard."""

    def __call__(self, *words: str) -> None:
        self.extend(words)


def test_it_speaks_while_all_signs_are_given():
    heard = Heard()
    Watchdog(heard, {"server": lambda: True, "runner": lambda: True}, period_s=1).look()
    assert heard == ["WATCHDOG=1"]


def test_it_is_silent_while_one_is_missing_and_says_once_which():
    heard, lives = Heard(), []
    watchdog = Watchdog(heard, {"server": lambda: True, "runner": lambda: bool(lives)}, period_s=1)
    watchdog.look()
    watchdog.look()
    assert heard == ["STATUS=without a sign of life: runner"]
    lives.append(1)
    watchdog.look()
    assert heard[1:] == ["STATUS=serves again", "WATCHDOG=1"]


def test_a_sign_that_cannot_be_read_is_missing():
    heard = Heard()

    def broken() -> bool:
        raise RuntimeError

    Watchdog(heard, {"server": broken}, period_s=1).look()
    assert "WATCHDOG=1" not in heard


def test_it_goes_on_by_itself(wait_until):
    heard = Heard()
    watchdog = Watchdog(heard, {}, period_s=0.01)
    watchdog.start()
    wait_until(lambda: len(heard) >= 3)
    watchdog.stop()


def application(status: str):
    def answer(_environ, start_response):
        start_response(status, [("Content-Length", "0")])
        return [b""]

    return answer


@contextlib.contextmanager
def running(server):
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    yield
    with contextlib.suppress(OSError):  # its loop may be awake already and close the trigger first
        server.trigger.pull_trigger(server.close)
    serving.join(20)
    server.task_dispatcher.shutdown()


@pytest.mark.parametrize(("status", "lives"), [("200 OK", True), ("503 Service Unavailable", False)])
def test_a_server_lives_when_it_answers(status, lives):
    server = make_server(application(status), socket.create_server(("127.0.0.1", 0)), threads=1)
    with running(server):
        assert server_answers(partial(connection_within, server))() is lives


def test_a_server_whose_loop_stands_still_does_not_live_and_one_that_goes_on_does():
    server = make_server(application("200 OK"), socket.create_server(("127.0.0.1", 0)), threads=1)
    connect = partial(connection_within, server)
    assert server_answers(connect, patience_s=0.01)() is False
    with running(server):
        assert server_answers(connect)()


def test_a_server_that_ended_does_not_live():
    server = make_server(application("200 OK"), socket.create_server(("127.0.0.1", 0)), threads=1)
    with running(server):
        pass
    assert server_answers(partial(connection_within, server))() is False


def test_a_connection_from_within_outlasts_those_of_callers(monkeypatch):
    monkeypatch.setattr("edge.api.web_server._MOST_CONNECTIONS", 4)
    listening = socket.create_server(("127.0.0.1", 0))
    server = make_server(application("200 OK"), listening, threads=1)
    with running(server), contextlib.ExitStack() as held:
        within = held.enter_context(connection_within(server))
        callers = [held.enter_context(socket.create_connection(listening.getsockname())) for _ in range(30)]
        for each in (callers[-1], within):
            each.settimeout(20)
            each.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b" 200 " in each.recv(64)


def test_a_server_lives_however_many_connections_are_held(monkeypatch):
    monkeypatch.setattr("edge.api.web_server._MOST_CONNECTIONS", 4)
    listening = socket.create_server(("127.0.0.1", 0))
    server = make_server(application("200 OK"), listening, threads=1)
    with running(server), contextlib.ExitStack() as held:
        for _ in range(30):
            held.enter_context(socket.create_connection(listening.getsockname()))
        assert server_answers(partial(connection_within, server))()


def test_a_thread_that_ended_is_missed():
    ended, ending = threading.Event(), threading.Thread(target=lambda: ended.wait(20), name="courier-under-test")
    ending.start()
    sign = threads_live(["courier-under-test"])
    assert sign()
    ended.set()
    ending.join()
    assert not sign()


def test_a_runner_that_is_not_asked_is_not_stuck():
    runner = RunnerProcess()
    assert not runner.stuck
    runner.close()
