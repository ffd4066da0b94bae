"""Which clocks are believed."""

from __future__ import annotations

import logging

import pytest

from edge.device.heat import Heat
from hardware.clock import VirtualClock

LADDER = (600_000, 1_000_000, 1_400_000, 1_800_000)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def heat(clock) -> Heat:
    return Heat(LADDER, clock=clock)


def test_at_first_every_clock_is_believed(heat):
    assert heat.believed_khz is None
    assert (heat.top_khz, heat.nearest_khz(1_000_000)) == (1_800_000, 1_000_000)


@pytest.mark.parametrize(
    ("reached_khz", "top_khz"),
    [(1_500_000, 1_400_000), (1_400_000, 1_400_000), (None, 1_400_000), (700_000, 600_000), (300_000, 600_000)],
)
def test_clocks_above_the_one_that_was_reached_are_not_believed(heat, reached_khz, top_khz):
    heat.missed(1_800_000, reached_khz=reached_khz)

    assert heat.believed_khz == {khz for khz in LADDER if khz <= top_khz}
    assert (heat.top_khz, heat.nearest_khz(1_800_000)) == (top_khz, top_khz)


def test_the_lowest_clock_is_always_believed(heat):
    heat.missed(600_000, reached_khz=500_000)

    assert heat.believed_khz == {600_000}


def test_a_clock_is_tried_again_with_growing_patience(heat, clock):
    for pause_s in (30, 60, 120):
        heat.missed(1_800_000)
        clock.sleep(pause_s - 1)
        assert heat.believed_khz is not None
        clock.sleep(1)
        assert heat.believed_khz is None


def test_patience_has_an_end(heat, clock):
    for _ in range(20):
        heat.missed(1_800_000)
        clock.sleep(3600)
        assert heat.believed_khz is None


def test_a_clock_that_is_held_again_heals_it(heat, clock):
    heat.missed(1_800_000)
    clock.sleep(30)

    heat.held(1_800_000)
    heat.missed(1_800_000)
    clock.sleep(30)

    assert heat.believed_khz is None


def test_a_lower_clock_that_is_held_says_nothing_of_higher_ones(heat):
    heat.missed(1_800_000)

    heat.held(1_400_000)

    assert heat.believed_khz == {600_000, 1_000_000, 1_400_000}


def test_a_change_is_logged_once(heat, clock, caplog):
    caplog.set_level(logging.INFO)

    for _ in range(3):
        heat.missed(1_800_000, why="heat")
        heat.held(600_000)
    heat.held(1_800_000)

    assert [record.message for record in caplog.records] == [
        "clocks above 1400000 kHz are left alone for now: heat",
        "clock 1800000 kHz is reached again",
    ]


def test_each_change_is_told_once_to_who_listens(heat):
    told = []
    heat.on_change(lambda: told.append(heat.top_khz))

    for _ in range(3):
        heat.slowed(("throttled",))
    for _ in range(3):
        heat.missed(1_800_000, why="throttled")
    heat.slowed(())
    heat.held(1_800_000)
    heat.held(1_800_000)

    assert told == [1_800_000, 1_400_000, 1_400_000, 1_800_000]
