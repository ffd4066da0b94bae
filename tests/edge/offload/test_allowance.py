"""The day's bytes: counted over restarts and clocks, never exceeded."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.offload.allowance import Allowance
from edge.offload.cloud import AllowanceSpent

DAY_S = 86_400.0
NOON_S = 20_000.5 * DAY_S


@dataclass
class Wall:
    """A wall clock that is set by hand."""

    now_s: float = NOON_S
    synced: bool = True

    def __call__(self) -> tuple[float, bool]:
        return self.now_s, self.synced


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def make(tmp_path, wall):
    def making(bytes_per_day: int = 1000) -> Allowance:
        return Allowance(bytes_per_day, tmp_path / "sent.json", wall=wall)

    return making


def test_without_a_limit_everything_may_be_sent_and_nothing_is_kept(make, tmp_path):
    allowance = make(0)
    allowance.take(10**12)
    allowance.close()
    assert allowance.left() == math.inf
    assert allowance.to_json() == {"sent_bytes_today": 10**12, "max_bytes_per_day": None, "bytes_left_today": None}
    assert list(tmp_path.iterdir()) == []


def test_what_was_sent_is_no_longer_left(make):
    allowance = make()
    allowance.take(400)
    allowance.take(600)
    assert allowance.left() == 0
    assert allowance.to_json()["bytes_left_today"] == 0


def test_more_than_is_left_is_refused_and_not_counted(make):
    allowance = make()
    allowance.take(400)
    with pytest.raises(
        AllowanceSpent, match=r"601 bytes are more than this device may still send today \(600 of 1000\)"
    ):
        allowance.take(601)
    assert allowance.to_json()["sent_bytes_today"] == 400


def test_rows_that_turn_out_larger_than_they_are_said_to_be_are_not_tried_all_day(make):
    allowance, said, tried = make(), 850, 0
    while allowance.left() >= said:
        tried += 1
        with pytest.raises(AllowanceSpent):
            allowance.take(1050)
    assert tried < 4


def test_a_body_that_nothing_said_would_fit_takes_nothing_from_the_others(make):
    allowance = make()
    for _ in range(50):
        with pytest.raises(AllowanceSpent):
            allowance.take(2000)
    assert allowance.left() == 1000
    assert allowance.to_json()["bytes_left_today"] == 1000


def test_a_new_day_begins_anew(make, wall):
    allowance = make()
    allowance.take(1000)
    wall.now_s += DAY_S / 2 - 1
    assert allowance.left() == 0
    wall.now_s += 2
    assert allowance.left() == 1000


def test_a_restart_gives_nothing_back_and_a_clean_end_takes_nothing(make):
    first = make()
    first.take(500)
    assert 490 <= make().left() <= 500
    first.close()
    assert make().left() == 500


def test_a_power_cut_costs_at_most_a_hundredth_and_the_disk_about_a_hundred_writes(make, tmp_path, monkeypatch):
    writes = []
    monkeypatch.setattr("edge.durable.replace_content", lambda path, content: writes.append(path.write_bytes(content)))
    allowance = make(100_000)
    for _ in range(5000):
        allowance.take(10)
    assert len(writes) <= 50
    assert 0 <= json.loads((tmp_path / "sent.json").read_text())["bytes"] - 50_000 <= 1000


def test_a_clock_that_is_set_back_makes_nothing_free(make, wall):
    make().take(1000)
    wall.now_s -= 5 * DAY_S
    again = make()
    assert again.left() == 0
    wall.now_s += DAY_S
    assert again.left() == 1000, "the day that a synchronised clock tells is believed, and the next one is another"


def test_an_earlier_date_of_a_clock_that_is_not_synchronised_counts_as_the_last_known_day(make, wall):
    make().take(1000)
    wall.now_s, wall.synced = 3.0, False
    again = make()
    assert again.left() == 0
    wall.now_s += DAY_S
    assert again.left() == 0
    wall.now_s, wall.synced = NOON_S + DAY_S, True
    assert again.left() == 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"schema": 9}',
        b'{"schema": 1, "day": 5, "bytes": 1}',
        b'{"schema": 1, "day": "2024-10-04", "bytes": -1}',
        b"\xff",
    ],
)
def test_with_a_file_that_cannot_be_read_the_day_counts_as_spent(make, tmp_path, wall, caplog, content):
    (tmp_path / "sent.json").write_bytes(content)
    os.utime(tmp_path / "sent.json", (wall.now_s, wall.now_s))
    assert make().left() == 0
    assert "the day counts as spent" in caplog.text
    assert (tmp_path / "sent.broken").read_bytes() == content
    assert make().left() == 0, "a restart changes nothing"
    wall.now_s += DAY_S
    assert make().left() == 1000


def test_a_clock_that_begins_in_the_past_does_not_free_a_day_whose_file_cannot_be_read(make, tmp_path, wall):
    (tmp_path / "sent.json").write_bytes(b"{")
    os.utime(tmp_path / "sent.json", (NOON_S, NOON_S))
    wall.now_s, wall.synced = 3.0, False
    allowance = make()
    wall.now_s, wall.synced = NOON_S, True
    assert allowance.left() == 0


def test_a_disk_that_takes_no_more_does_not_stop_the_device(make, monkeypatch, caplog):
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.durable.replace_content", full)
    allowance = make()
    for _ in range(5):
        allowance.take(100)
    assert allowance.left() == 500
    assert caplog.text.count("No space left") == 1


@pytest.mark.exhaustive
def test_whatever_moment_taking_ends_at_nothing_becomes_free(tmp_path, crashes):
    prepared, wall = tmp_path / "prepared", Wall()
    prepared.mkdir()
    Allowance(1000, prepared / "sent.json", wall=wall).take(100)
    for crash in crashes(lambda folder: Allowance(1000, folder / "sent.json", wall=wall).take(400), prepared=prepared):
        left = Allowance(1000, crash.folder / "sent.json", wall=wall).left()
        assert 0 < left <= (500 if crash.done else 900), crash


@settings(max_examples=settings.default.max_examples // 2, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 400), st.sampled_from(["restart", "day"])), max_size=30))
def test_whatever_happens_no_day_sends_more_than_it_may(tmp_path_factory, events):
    path, wall = tmp_path_factory.mktemp("data") / "sent.json", Wall()
    allowance, sent = Allowance(1000, path, wall=wall), {}
    for event in events:
        if event == "restart":
            allowance = Allowance(1000, path, wall=wall)
        elif event == "day":
            wall.now_s += DAY_S
        else:
            left = allowance.left()
            try:
                allowance.take(event)
            except AllowanceSpent:
                assert event > left
                continue
            sent[wall.now_s] = sent.get(wall.now_s, 0) + event
        assert max(sent.values(), default=0) <= 1000
