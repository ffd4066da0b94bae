"""The watchdog: silent as soon as one sign of life is missing."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from edge.api.web_server import make_server
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


@pytest.mark.parametrize(("status", "lives"), [("200 OK", True), ("503 Service Unavailable", False)])
def test_a_server_lives_when_it_answers(status, lives):
    listening = socket.create_server(("127.0.0.1", 0))
    server = make_server(application(status), listening, threads=1)
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    found = server_answers(listening)()
    with contextlib.suppress(OSError):  # its loop may be awake already and close the trigger first
        server.trigger.pull_trigger(server.close)
    serving.join(20)
    server.task_dispatcher.shutdown()
    assert found is lives


def test_a_server_that_only_takes_connections_does_not_live():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert server_answers(listening, patience_s=0.01)() is False


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
