"""An answer that is read fast enough or not."""

from __future__ import annotations

import socket
import threading

import pytest

from cloud.front.limits import Limits
from cloud.front.sending import Sending

LIMITS = Limits(stall_s=30.0, slowest_bytes_per_s=10.0)


class Taking:
    """Takes `piece` bytes of what it is given, which needs `step_s` each time."""

    def __init__(self, *, piece: int, step_s: float) -> None:
        self.now_s = 0.0
        self.taken = bytearray()
        self.piece, self.step_s = piece, step_s

    def clock(self) -> float:
        return self.now_s

    def gettimeout(self) -> float:
        return 30.0

    def settimeout(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def send(self, data: memoryview) -> int:
        self.now_s += self.step_s
        self.taken += data[: self.piece]
        return min(self.piece, len(data))


class Roomy:
    """Takes `room` bytes at once, and more only when it is waited for."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.takes: list[bytes] = []
        self.timeout_s = 0.0

    def gettimeout(self) -> float:
        return self.timeout_s

    def settimeout(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s

    def send(self, data: memoryview) -> int:
        if self.timeout_s == 0 and not self.room:
            raise BlockingIOError
        count = len(data) if self.timeout_s else min(self.room, len(data))
        self.room = max(0, self.room - count)
        self.takes.append(bytes(data[:count]))
        return count


def sending(reader: Taking) -> Sending:
    return Sending(reader, LIMITS, clock=reader.clock)


def test_a_reader_at_the_lowest_rate_gets_all_of_it():
    reader, answer = Taking(piece=10, step_s=1.0), bytes(range(256)) * 40

    sending(reader).sendall(answer)

    assert reader.taken == answer


def test_an_answer_that_fits_in_is_sent_as_a_whole_and_nobody_waits():
    reader = Roomy(room=1000)
    answer = Sending(reader, LIMITS)

    answer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    answer.sendall(b"body")

    assert reader.takes == [b"HTTP/1.1 200 OK\r\n\r\nbody"]
    assert reader.timeout_s == 0


def test_a_head_that_nothing_follows_is_sent_at_the_end():
    reader = Roomy(room=1000)
    answer = Sending(reader, LIMITS)

    answer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    answer.flush()

    assert reader.takes == [b"HTTP/1.1 204 No Content\r\n\r\n"]


@pytest.mark.parametrize("body", [b"x" * 50, b"x" * 200_000])
def test_what_does_not_fit_in_is_waited_for(body):
    reader = Roomy(room=30)
    answer = Sending(reader, LIMITS)

    answer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    answer.sendall(body)

    assert b"".join(reader.takes) == b"HTTP/1.1 200 OK\r\n\r\n" + body
    assert reader.timeout_s > 0


def test_a_slower_one_is_given_up_however_often_it_takes_a_little():
    reader = Taking(piece=1, step_s=1.0)

    with pytest.raises(TimeoutError):
        sending(reader).sendall(b"x" * 10_000)

    assert 30.0 < reader.now_s < 40.0


def test_what_was_taken_at_once_lets_nobody_rest_longer():
    reader = Taking(piece=50_000, step_s=0.1)
    paced = sending(reader)
    paced.sendall(b"x" * 1_000_000)
    reader.piece, reader.step_s = 1, 10.0

    with pytest.raises(TimeoutError):
        paced.sendall(b"x" * 100)

    assert reader.now_s < 45.0


def test_what_the_app_needs_for_the_next_piece_counts_for_nobody():
    reader = Taking(piece=100, step_s=1.0)
    paced = sending(reader)

    for _ in range(10):
        reader.now_s += 1000.0
        paced.sendall(b"x" * 100)

    assert len(reader.taken) == 1000


@pytest.mark.parametrize("count", [None, 700_000])
def test_a_file_is_sent_from_its_offset(tmp_path, count):
    path, content = tmp_path / "file", bytes(range(250)) * 4000
    path.write_bytes(content)
    ours, theirs = socket.socketpair()
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.extend(iter(lambda: theirs.recv(1 << 16), b"")))
    reader.start()

    with path.open("rb") as file, ours, theirs:
        sent = Sending(ours, Limits()).sendfile(file, offset=123, count=count)
        ours.close()
        reader.join()

    expected = content[123:] if count is None else content[123 : 123 + count]
    assert (sent, b"".join(received)) == (len(expected), expected)


def test_a_file_that_nobody_reads_is_given_up(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(10_000_000))
    ours, theirs = socket.socketpair()

    with path.open("rb") as file, ours, theirs, pytest.raises(TimeoutError):
        Sending(ours, Limits(stall_s=0.05)).sendfile(file, offset=0, count=10_000_000)
