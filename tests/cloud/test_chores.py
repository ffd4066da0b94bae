"""Chores go on, whatever happens in them."""

from __future__ import annotations

import logging
import threading

import pytest

from cloud.chores import Chore
from protocol.errors import ServiceMissing


def test_a_chore_is_done_until_it_is_stopped():
    done = threading.Semaphore(0)
    chore = Chore("sweeping", done.release, every_s=0.001)

    chore.start()
    for _ in range(3):
        assert done.acquire(timeout=20)
    chore.stop()

    assert not chore._thread.is_alive()


@pytest.mark.parametrize(("error", "times"), [(ServiceMissing("the store is away"), 1), (ValueError("odd"), 2)])
def test_a_chore_outlives_what_it_raises_and_tells_what_is_away_once(caplog, error, times):
    def do() -> None:
        raise error

    chore = Chore("sweeping", do, every_s=1.0)
    with caplog.at_level(logging.WARNING):
        chore.once()
        chore.once()

    assert len(caplog.records) == times
