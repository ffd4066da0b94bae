"""Threads that requests are given to."""

from __future__ import annotations

import threading

import pytest

from cloud.front.threads import Threads

TIMEOUT_S = 20.0


class Held:
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.begun, self._go = threading.Event(), threading.Event()
        self.ended = threading.Event()
        self.thread = 0

    def __call__(self) -> None:
        self.thread = threading.get_ident()
        self.begun.set()
        self._go.wait(TIMEOUT_S)
        self.ended.set()

    def let_go(self) -> None:
        self._go.set()
        assert self.ended.wait(TIMEOUT_S)


def test_as_many_run_at_once_as_there_are_threads_and_the_others_follow():
    threads, held = Threads(2, waiting=1), [Held(), Held(), Held()]

    for work in held:
        threads.submit(work)

    assert held[0].begun.wait(TIMEOUT_S)
    assert held[1].begun.wait(TIMEOUT_S)
    assert not held[2].begun.is_set()
    held[0].let_go()
    assert held[2].begun.wait(TIMEOUT_S)
    assert held[2].thread == held[0].thread
    held[1].let_go()
    held[2].let_go()


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(1)])
def test_what_fails_is_logged_and_leaves_the_thread_to_others(error, caplog):
    threads, after = Threads(1, waiting=1), Held()

    def failing() -> None:
        raise error

    threads.submit(failing)
    threads.submit(after)
    after.let_go()

    assert "goes on after an error" in caplog.text


def test_what_nobody_has_begun_when_it_ends_is_not_begun():
    threads, running, waiting, last = Threads(1, waiting=1), Held(), Held(), Held()
    threads.submit(running)
    threads.submit(waiting)

    threads.shutdown(wait=False)
    running.let_go()

    threads.submit(last)
    last.let_go()
    assert not waiting.begun.is_set()


def test_it_is_full_with_all_threads_and_places_taken():
    threads = Threads(1, waiting=1)

    threads.under_way = 2

    assert threads.is_full


def test_work_waits_for_the_threads_that_there_are_where_the_system_gives_no_more(monkeypatch, caplog):
    threads, held = Threads(2, waiting=2), [Held(), Held()]

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for work in held:
            threads.submit(work)
    assert held[0].begun.wait(TIMEOUT_S)
    held[0].let_go()
    assert held[1].begun.wait(TIMEOUT_S)
    assert "1 of 2 threads serve: can't start new thread" in caplog.text

    after = Held()
    threads.submit(after)
    assert after.begun.wait(TIMEOUT_S)
    for work in (held[1], after):
        work.let_go()
