"""Samples in shared memory."""

from __future__ import annotations

import os

import pytest

from edge.metering import ring as rings
from edge.metering.ring import Kind, Ring, Slot, Torn


@pytest.fixture
def ring():
    made, descriptor = Ring.create()
    yield made
    os.close(descriptor)


def sample(number: float) -> Slot:
    return Slot(at_s=10.0 + number, watts=2.0, joules=2.0 * number, gaps=0, kind=Kind.COUNTER)


def test_an_empty_ring_knows_nothing(ring):
    assert (ring.latest(), ring.around(5.0), ring.since(0.0)) == (None, (None, None), [])


def test_the_samples_around_a_moment(ring):
    for number in range(5):
        ring.write(sample(number))
    assert ring.around(12.5) == (sample(2), sample(3))
    assert ring.around(12.0) == (sample(2), sample(3))
    assert ring.around(9.0) == (None, sample(0))
    assert ring.around(14.5) == (sample(4), None)
    assert ring.since(12.0) == [sample(3), sample(4)]


def test_both_ends_see_the_same_memory():
    front, descriptor = Ring.create()
    back = Ring(descriptor)
    os.close(descriptor)
    back.write(sample(1))
    back.beat(7.0)
    back.stalled(0.3, counts=True)
    back.stalled(0.1, counts=False)
    assert (front.latest(), front.written, front.heartbeat_s, front.stalls) == (sample(1), 1, 7.0, (1, 0.3))


def test_old_samples_make_room(ring, monkeypatch):
    monkeypatch.setattr(rings, "_CAPACITY", 100)
    for number in range(250):
        ring.write(sample(number))
    oldest = ring.since(0.0)[0]
    assert ring.latest() == sample(249)
    assert ring.around(oldest.at_s - 50) == (None, oldest)
    assert ring.around(oldest.at_s + 0.5) == (oldest, sample(oldest.at_s - 10.0 + 1))


def test_a_sample_that_is_not_whole_is_torn_and_the_one_before_is_the_latest(ring):
    ring.write(sample(1))
    ring.write(sample(2))
    ring._cells[rings._place(1) + 2] = 99.0
    assert ring.latest() == sample(1)
    with pytest.raises(Torn, match="sample 1 was replaced"):
        ring.around(11.5)
