"""A request that comes in pieces, however they fall."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.front.arrival import MOST_HEAD_BYTES, Arrival, ReceivedBody, Stage

HEAD = b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


def arrived(pieces: list[bytes], *, most_body_bytes: int = 1000) -> Arrival:
    arrival = Arrival(most_body_bytes=most_body_bytes)
    for piece in pieces:
        if arrival.stage is Stage.HEAD:
            arrival.add(piece)
            continue
        room = arrival.room()[: len(piece)]
        room[:] = piece[: len(room)]
        arrival.filled(len(room))
    return arrival


@given(st.lists(st.integers(1, len(HEAD) + 4), max_size=6))
def test_it_is_the_same_wherever_it_was_cut(cuts):
    whole, places = HEAD + b"12345", sorted({0, *cuts, len(HEAD) + 5})

    arrival = arrived([whole[a:b] for a, b in itertools.pairwise(places)])

    assert arrival.stage is Stage.WHOLE
    assert bytes(arrival.head) == HEAD
    assert bytes(arrival.body) == b"12345"
    assert arrival.received_bytes == len(whole)


def test_without_a_length_there_is_no_body():
    arrival = arrived([b"GET / HTTP/1.1\r\n\r\n"])

    assert (arrival.stage, len(arrival.body)) == (Stage.WHOLE, 0)


def test_what_follows_belongs_to_the_next_request():
    assert arrived([HEAD + b"12345GET / "]).surplus == b"GET / "


@pytest.mark.parametrize(
    "head",
    [b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["too large to wait", "in chunks"],
)
def test_what_cannot_wait_here_is_streamed(head):
    arrival = arrived([head + b"5\r\n"])

    assert (arrival.stage, arrival.surplus, len(arrival.body)) == (Stage.STREAMED, b"5\r\n", 0)


def test_a_head_without_an_end_is_too_large():
    assert arrived([b"x" * MOST_HEAD_BYTES, b"x"]).stage is Stage.HEAD_TOO_LARGE


def test_who_asks_before_sending_waits_for_the_word():
    head = HEAD.replace(b"Host: x", b"Expect: 100-Continue")

    assert arrived([head]).waits_for_continue
    assert not arrived([head + b"1"]).waits_for_continue
    assert not arrived([HEAD]).waits_for_continue


def test_a_received_body_reads_like_a_file():
    body = ReceivedBody(b"one\ntwo\nthree", 0.0)

    assert (body.read(2), body.readline(), body.read(0), body.readlines()) == (b"on", b"e\n", b"", [b"two\n", b"three"])
    assert body.read() == b""
