"""A connection whose requests are read without waiting."""

from __future__ import annotations

import gc
import socket
import weakref
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from cloud.front.arrival import Stage
from cloud.front.connection import Connection
from cloud.front.limits import Limits

REQUEST = b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection, and its client's end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2), tls=None), theirs
    for end in (ours, theirs):
        end.close()


@pytest.mark.parametrize("parsed", [True, False])
def test_a_request_that_is_done_with_takes_no_memory_and_another_one_may_follow(ends, parsed):
    connection, client = ends
    connection.begin(most_body_bytes=10_000, now_s=0.0)
    client.sendall(REQUEST)
    assert connection.read() and connection.arrival.stage is Stage.WHOLE
    if parsed:
        assert connection.next_request(Limits()).body.read() == b"x" * 5000
    body = weakref.ref(connection.arrival.body)

    connection.forget()

    gc.collect()
    assert body() is None
    connection.begin(most_body_bytes=10_000, now_s=1.0)
    client.sendall(REQUEST)
    assert connection.read()
    assert connection.next_request(Limits()).body.read() == b"x" * 5000
