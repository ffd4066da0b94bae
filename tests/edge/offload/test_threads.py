"""A moment without room for another thread costs what was asked then, and nothing later."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from edge.offload.names import Names
from edge.offload.watch import Watch

FOUND = [(socket.AF_INET, ("127.0.0.1", 80))]


@pytest.fixture
def no_thread(monkeypatch):
    """Refuses threads until it is undone."""

    def refuse(_) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        yield patched


def test_a_name_is_looked_up_as_soon_as_there_is_a_thread_again(no_thread):
    names = Names("cloud.example", 80, lookup=lambda *_: FOUND)
    with pytest.raises(OSError, match=r"cloud\.example cannot be looked up: can't start"):
        names.addresses(20)
    no_thread.undo()
    assert names.addresses(20) == FOUND


def test_a_resolver_without_memory_fails_those_who_wait_and_is_asked_anew():
    failing = [MemoryError("out of memory")]

    def lookup(*_):
        if failing:
            raise failing.pop()
        return FOUND

    names = Names("cloud.example", 80, lookup=lookup)
    with pytest.raises(OSError, match="out of memory"):
        names.addresses(20)
    assert names.addresses(20) == FOUND


def test_connections_are_watched_as_soon_as_there_is_a_thread_again(no_thread):
    watch, (ours, theirs) = Watch(clock=time.monotonic), socket.socketpair()
    with ours, theirs:
        ours.settimeout(20)
        with pytest.raises(OSError, match="cannot be watched"), watch.until(time.monotonic() + 20, ours):
            pass
        no_thread.undo()
        with watch.until(time.monotonic() + 0.01, ours):
            assert ours.recv(1) == b""
    watch.close()
