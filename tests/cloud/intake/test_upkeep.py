"""What grows old is put together or goes, in small steps, by clocks that are handed in."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cloud.intake.upkeep import Upkeep
from cloud.retention import Retention
from cloud.store.dead_letters.port import letter_of_message
from cloud.store.memory import MemoryStore
from cloud.store.records.port import Arrival, Selection
from cloud.store.rollouts.values import Plan, Rollout, RolloutState
from protocol.configuration import Provenance
from protocol.errors import InvalidInput, ServiceMissing
from protocol.jobs import Job, JobKind, JobReport, JobState
from protocol.samples import Sample

DAY_S = 86_400.0
NOW = 100 * DAY_S


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sampled(sequence: int, *, age_days: float) -> Arrival:
    at = NOW - age_days * DAY_S
    content = Sample(at, True, 60.0, 3.0, 5.0, 180_000.0, Provenance.MEASURED, None, None, False)
    return Arrival("pi-1", "boot-1", sequence, at, content.to_json(), content)


def run(upkeep: Upkeep, clock: Clock, *, busy: bool = False, steps: int = 20) -> None:
    for _ in range(steps):
        clock.now += upkeep.wait_s
        upkeep.step(busy=busy)


def tidy(store: MemoryStore, clock: Clock, **retention: float) -> None:
    run(Upkeep(store, Retention(**retention), wall_clock=lambda: NOW, clock=clock), clock)


def test_samples_of_last_week_are_put_together_and_younger_ones_stay(clock):
    store = MemoryStore()
    store.write([sampled(1, age_days=8), sampled(2, age_days=6)])

    tidy(store, clock)

    assert [kept.sequence for kept in store.samples(Selection())] == [2]
    assert [minute.count for minute in store.sample_minutes("pi-1")] == [1]


def test_nothing_is_forgotten_unless_a_setting_says_so(clock):
    store = MemoryStore()
    store.write([sampled(1, age_days=90)])
    store.put_aside([letter_of_message("t", b"x", device="pi-1", reason="", received_at=0.0)])

    tidy(store, clock)

    assert len(list(store.sample_minutes("pi-1"))) == 1
    assert store.count_dead_letters() == 1


def test_what_is_older_than_its_setting_goes(clock):
    store = MemoryStore()
    store.write([sampled(1, age_days=40), sampled(2, age_days=20)])
    store.put_aside([letter_of_message("t", b"x", device="pi-1", reason="", received_at=0.0)])

    tidy(store, clock, keep_samples_s=30 * DAY_S, keep_dead_letters_s=DAY_S)

    assert [minute.count for minute in store.sample_minutes("pi-1")] == [1]
    assert store.count_dead_letters() == 0


def test_dead_letters_are_bounded_in_a_flood_too(clock):
    store = MemoryStore()
    upkeep = Upkeep(store, Retention(most_dead_letters=10), wall_clock=lambda: NOW, clock=clock)

    for number in range(50):
        store.put_aside([letter_of_message("t", b"%d" % number, device="d", reason="", received_at=float(number))])
        upkeep.note_letters(1)

    assert store.count_dead_letters() == 10


def test_it_rests_for_a_minute_after_a_round_and_a_second_between_steps_while_busy(clock):
    two_steps = Retention(keep_drafts_s=0.0, keep_ended_s=0.0)
    upkeep = Upkeep(MemoryStore(), two_steps, wall_clock=lambda: NOW, clock=clock)

    upkeep.step(busy=True)
    busy_s = upkeep.wait_s
    run(upkeep, clock, steps=1)

    assert busy_s == 1.0
    assert upkeep.wait_s == 60.0


def test_a_store_that_is_away_is_tried_at_the_next_round(clock, monkeypatch):
    store = MemoryStore()
    store.write([sampled(1, age_days=8)])
    upkeep = Upkeep(store, Retention(), wall_clock=lambda: NOW, clock=clock)

    def away(**_):
        raise ServiceMissing("away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "thin_samples", away)
        run(upkeep, clock, steps=3)
    run(upkeep, clock, steps=5)

    assert len(list(store.sample_minutes("pi-1"))) == 1


def test_a_step_that_fails_stops_no_other(clock, monkeypatch, caplog):
    store = MemoryStore()
    store.write([sampled(1, age_days=30)])

    def refuses(**_how):
        raise InvalidInput("the database cannot keep this")

    monkeypatch.setattr(store, "thin_samples", refuses)
    tidy(store, clock, raw_samples_s=10 * DAY_S, keep_samples_s=20 * DAY_S)

    assert not list(store.samples(Selection()))
    assert "cannot keep this" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"raw_samples_s": -1.0},
        {"keep_ended_s": -1.0},
        {"keep_drafts_s": float("inf")},
        {"keep_samples_s": float("nan")},
        {"most_dead_letters": 0},
        {"keep_samples_s": 5.0},
    ],
)
def test_a_retention_that_makes_no_sense_is_refused_by_name(change):
    with pytest.raises(InvalidInput, match=next(iter(change))):
        Retention(**change)


@pytest.mark.parametrize(("change", "left"), [({}, [80.0]), ({"keep_drafts_s": 0.0}, [80.0, 100.0])])
def test_drafts_that_nobody_pushed_go_after_ninety_days_unless_a_setting_says_otherwise(
    clock, make_signed, change, left
):
    store = MemoryStore()
    for age_days in (100.0, 80.0):
        store.add_draft(make_signed(0, head_ms=age_days).table, at=NOW - age_days * DAY_S)

    tidy(store, clock, **change)

    assert [(NOW - each.added_at) / DAY_S for each in store.drafts()] == left


@pytest.mark.parametrize(("change", "left"), [({}, ["80"]), ({"keep_ended_s": 0.0}, ["100", "80"])])
def test_what_ended_goes_after_ninety_days_unless_a_setting_says_otherwise(clock, change, left):
    store = MemoryStore()
    for age_days in (100.0, 80.0):
        name, ended_at = f"{age_days:g}", NOW - age_days * DAY_S
        store.add_job("pi-1", Job(name, JobKind.RESTART), at=ended_at - 1.0)
        store.note_job("pi-1", JobReport(name, JobState.SUCCEEDED), at=ended_at)
        store.add_rollout(Rollout(name, "digits", Plan(), (), 1.0, state=RolloutState.DONE, ended_at=ended_at))

    tidy(store, clock, **change)

    assert sorted(each.job.id for each in store.jobs("pi-1")) == left
    assert sorted(each.id for each in store.rollouts()) == left
