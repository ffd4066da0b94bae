"""Measurements of a device that is slowed down."""

from __future__ import annotations

import pytest

from edge.device.throttle_guard import Throttled, ThrottleGuard
from hardware.throttling import Slowdown


def looks(*slowdowns: Slowdown):
    return iter(slowdowns).__next__


def test_what_is_measured_on_a_cool_device_is_sound():
    guard = ThrottleGuard(looks(Slowdown(0x50000, 3), Slowdown(0x50000, 3)))

    assert guard.end(guard.begin()) is False


def test_a_device_that_is_slowed_down_already_measures_nothing():
    with pytest.raises(Throttled, match=r"slowed down \(under-voltage\).*cool it.*keep_throttled"):
        ThrottleGuard(looks(Slowdown(0x1))).begin()


@pytest.mark.parametrize("after", [Slowdown(0x4), Slowdown(0x40000), Slowdown(count=1)])
def test_what_was_slowed_down_at_any_moment_is_refused(after):
    guard = ThrottleGuard(looks(Slowdown(), after))
    before = guard.begin()

    with pytest.raises(Throttled):
        guard.end(before)


@pytest.mark.parametrize("looked", [(Slowdown(0x50000), Slowdown(None)), (Slowdown(None), Slowdown(0x50000))])
def test_what_a_firmware_that_answers_otherwise_did_not_answer_is_not_sound(looked):
    guard = ThrottleGuard(looks(*looked))
    before = guard.begin()

    with pytest.raises(Throttled, match=r"not known.*does not answer"):
        guard.end(before)


def test_a_firmware_that_fell_silent_is_not_taken_for_a_cool_one():
    guard = ThrottleGuard(looks(Slowdown(), Slowdown(), Slowdown(None)))
    guard.end(guard.begin())

    with pytest.raises(Throttled, match="not known"):
        guard.begin()


def test_a_firmware_that_never_answered_holds_up_nothing():
    guard = ThrottleGuard(looks(Slowdown(None), Slowdown(None)))

    assert guard.end(guard.begin()) is False


def test_what_is_not_known_may_be_kept_and_is_marked():
    guard = ThrottleGuard(looks(Slowdown(), Slowdown(None)), keeps=True)

    assert guard.end(guard.begin()) is True


def test_it_may_be_kept_and_marked():
    guard = ThrottleGuard(looks(Slowdown(0x4), Slowdown(0x40000)), keeps=True)

    assert guard.end(guard.begin()) is True
