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


def test_it_may_be_kept_and_marked():
    guard = ThrottleGuard(looks(Slowdown(0x4), Slowdown(0x40000)), keeps=True)

    assert guard.end(guard.begin()) is True
