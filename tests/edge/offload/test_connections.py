"""Connections to one server: which of its addresses is used."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edge.offload.connections import Connections, Unreachable
from edge.offload.names import Names


@contextlib.contextmanager
def silent() -> Iterator[tuple[str, int]]:
    """An address that swallows what comes: its backlog is full, so the kernel answers nobody."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect(listening.getsockname())
        yield listening.getsockname()


@pytest.fixture
def addresses() -> Iterator[list[tuple[str, int]]]:
    with silent() as swallowing, socket.create_server(("127.0.0.1", 0)) as serving:
        yield [swallowing, serving.getsockname()]


def test_a_connection_that_is_being_opened_is_given_up_at_the_end(wait_until):
    with silent() as address:
        names = Names("cloud", 1, lookup=lambda _host, _port: [(socket.AF_INET, address)])
        connections = Connections("http://cloud:1", clock=time.monotonic, names=names)
        given_up = []

        def ask() -> None:
            with pytest.raises(Unreachable), connections.one(time.monotonic() + 1000):
                pass
            given_up.append(True)

        waiting = threading.Thread(target=ask)
        waiting.start()
        wait_until(lambda: connections._opening)
        connections.close()
        waiting.join(20)
    assert given_up


@pytest.mark.exhaustive
def test_an_address_that_swallows_everything_does_not_hide_the_one_that_serves(addresses):
    names = Names("cloud", 1, lookup=lambda _host, _port: [(socket.AF_INET, address) for address in addresses])
    connections = Connections("http://cloud:1", clock=time.monotonic, names=names)

    with connections.one(time.monotonic() + 10) as connection:
        assert connection.sock.getpeername() == addresses[1]
        connection.close()

    with connections.one(time.monotonic() + 10) as connection:
        assert connection.sock.getpeername() == addresses[1]
        assert connection.sock.gettimeout() > 6, "the one that answered is asked first, with all the time there is"
    connections.close()
