"""The link as live traffic shows it."""

from __future__ import annotations

import random

import pytest

from edge.requests.link import LinkEstimate, Transfer
from protocol.link import Link

START = Link(rtt_ms=2.0, up_bytes_per_ms=1000.0, down_bytes_per_ms=1000.0)
SIZES = (1_000, 4_000, 16_000, 64_000)


def feed(estimate: LinkEstimate, link: Link, sizes, *, at_s: float = 0.0, noise: float = 0.0) -> None:
    chance = random.Random(7)
    for size in sizes:
        took = link.transfer_ms(size, 200) * (1 + noise * chance.random())
        estimate.observe(Transfer(took, size, 200, at_s))


def test_without_traffic_the_start_is_believed():
    assert LinkEstimate().link(START, 0.0) == START


def test_transfers_of_many_sizes_tell_round_trip_and_rate():
    slow = Link(rtt_ms=30.0, up_bytes_per_ms=250.0, down_bytes_per_ms=250.0)
    estimate = LinkEstimate()
    feed(estimate, slow, SIZES * 4)
    link = estimate.link(START, 0.0)
    assert link.rtt_ms == pytest.approx(30.0, rel=0.01)
    assert link.up_bytes_per_ms == pytest.approx(250.0, rel=0.01)


def test_transfers_of_one_size_still_predict_that_size():
    slow = Link(rtt_ms=40.0, up_bytes_per_ms=100.0, down_bytes_per_ms=100.0)
    estimate = LinkEstimate()
    feed(estimate, slow, [20_000] * 10)
    assert estimate.link(START, 0.0).transfer_ms(20_000, 200) == pytest.approx(slow.transfer_ms(20_000, 200))


@pytest.mark.parametrize("sizes", [SIZES * 4, [20_000] * 16], ids=["sizes", "one size"])
def test_a_stalled_request_does_not_move_it(sizes):
    estimate = LinkEstimate()
    feed(estimate, START, sizes, noise=0.05)
    before = estimate.link(START, 0.0).transfer_ms(20_000, 200)
    estimate.observe(Transfer(30_000.0, 20_000, 200, 0.0))
    assert estimate.link(START, 0.0).transfer_ms(20_000, 200) == pytest.approx(before, rel=0.15)


def test_a_link_that_changed_is_noticed_within_a_window():
    estimate = LinkEstimate(window=16)
    feed(estimate, START, SIZES * 4)
    slow = Link(rtt_ms=50.0, up_bytes_per_ms=100.0, down_bytes_per_ms=100.0)
    feed(estimate, slow, SIZES * 4)
    assert estimate.link(START, 0.0).transfer_ms(20_000, 200) == pytest.approx(slow.transfer_ms(20_000, 200), rel=0.05)


def test_a_link_that_was_too_slow_to_be_used_is_believed_in_again():
    estimate = LinkEstimate(remember_s=60.0)
    feed(estimate, Link(500.0, 1.0, 1.0), SIZES, at_s=100.0)
    assert estimate.link(START, 159.0) != START
    assert estimate.link(START, 161.0) == START


def test_whatever_was_seen_the_link_is_one():
    chance = random.Random(3)
    for _ in range(300):
        estimate = LinkEstimate()
        for _ in range(chance.randint(1, 20)):
            size = chance.choice([1, 1, 5_000, 10**8])
            estimate.observe(Transfer(chance.choice([0.0, 0.1, 30.0, 1e5]), size, chance.choice([0, 10**6]), 0.0))
        link = estimate.link(START, 0.0)
        assert link.rtt_ms >= 0 and link.up_bytes_per_ms > 0 and link.down_bytes_per_ms > 0
