"""Ingest ends with an error when a thread of it has, so that whoever watches over it starts it anew."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from cloud.ingest import _take_in


@dataclass
class Part:
    alive: bool = True
    stopped: bool = False

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True


@pytest.mark.exhaustive
@pytest.mark.parametrize(("bus", "ingest"), [(Part(alive=False), Part()), (Part(), Part(alive=False))])
def test_a_thread_that_has_ended_ends_the_process_with_an_error(bus, ingest, caplog):
    assert _take_in(bus, ingest, threading.Event()) == 1
    assert ingest.stopped
    assert "to be started anew" in caplog.text


def test_the_end_is_no_error():
    ended, ingest = threading.Event(), Part()
    ended.set()

    assert _take_in(Part(), ingest, ended) == 0
    assert ingest.stopped
