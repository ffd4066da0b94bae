"""Answers that are written without gunicorn."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloud.front.limits import Limits
from cloud.front.replying import Reply
from cloud.front.sending import Sending


def answered(app: Any) -> tuple[bytes, bool]:
    """What its client gets, and whether the connection is kept."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as client:
        content = client.submit(lambda: b"".join(iter(lambda: theirs.recv(1 << 16), b"")))
        try:
            keeps = Reply(Sending(ours, Limits()).send_whole).of(app, {})
        finally:
            ours.shutdown(socket.SHUT_WR)
        return content.result(), keeps


def app_of(*pieces: bytes, headers: list[tuple[str, str]]) -> Any:
    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", headers)
        return pieces

    return app


def test_an_answer_with_its_length_keeps_the_connection():
    content, keeps = answered(app_of(b"ab", b"c", headers=[("Content-Length", "3"), ("X-Request-Id", "7")]))

    head, _, body = content.partition(b"\r\n\r\n")
    assert keeps
    assert body == b"abc"
    assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: ")
    assert head.endswith(b" GMT\r\nConnection: keep-alive\r\nContent-Length: 3\r\nX-Request-Id: 7")


def test_one_without_a_length_ends_with_its_connection():
    content, keeps = answered(app_of(b"abc", headers=[]))

    assert not keeps
    assert b"\r\nConnection: close\r\n" in content
    assert content.endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize("pieces", [(b"ab",), (), (b"ab", b"cd")])
def test_one_that_is_not_as_long_as_it_says_ends_the_connection(pieces):
    assert answered(app_of(*pieces, headers=[("Content-Length", "3")]))[1] is False


def test_a_large_one_arrives_whole():
    large = b"x" * 70_000

    content, keeps = answered(app_of(large, headers=[("Content-Length", "70000")]))

    assert keeps
    assert content.endswith(b"\r\n\r\n" + large)


def test_an_empty_one_has_a_head():
    content, keeps = answered(app_of(headers=[("Content-Length", "0")]))

    assert keeps
    assert content.endswith(b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("value", ["7\r\nSet-Cookie: a", "7\n", "7\r"])
def test_no_header_begins_another_one(value):
    with pytest.raises(ValueError, match="line break"):
        answered(app_of(b"", headers=[("X-Request-Id", value)]))


def test_what_fails_before_the_answer_is_for_the_server_to_tell():
    def app(_environ: Any, _start_response: Any) -> Any:
        raise KeyError("broken")

    with pytest.raises(KeyError):
        answered(app)


def test_what_fails_in_the_middle_ends_the_connection_and_is_closed(caplog):
    closed = []

    class Pieces:
        def __iter__(self) -> Any:
            yield b"ab"
            raise KeyError("broken")

        def close(self) -> None:
            closed.append(True)

    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "3")])
        return Pieces()

    content, keeps = answered(app)

    assert (content[-2:], keeps, closed) == (b"ab", False, [True])
    assert "broke off" in caplog.text
