"""Drafts from stored measurements."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from cloud.store.computations.port import ComputationState, TableOrder
from cloud.store.memory import MemoryStore
from cloud.store.records.port import Arrival
from cloud.tables.computing import Computing, Renewing, ask, compute
from protocol.configuration import Configuration
from protocol.errors import Conflict, InvalidInput, NotFound, ServiceMissing
from protocol.jobs import Job, JobKind, JobReport, JobState
from protocol.link import Link
from protocol.measurement import Cost, Measurement

BUNDLE = "b" * 64
LAST = 2
ORDER = TableOrder("digits", "pi-1", BUNDLE, ("pi-1",))


def measured(cut: int, mhz: int, **changes) -> Measurement:
    sends = cut < LAST
    cost = Cost(
        head_ms=1.0 + cut, transfer_ms=3.0 * sends, cloud_ms=5.0 * sends, latency_ms=1.0 + cut + 8 * sends,
        up_bytes=1000 * sends, down_bytes=10 * sends, head_mj=4.0, wait_mj=2.0 * sends, cloud_node_mj=9.0 * sends,
        cloud_active_mj=None,
    )  # fmt: skip
    origin = {"network": "digits", "bundle": BUNDLE, "device": "pi-1", "run": "job-7"} | changes
    link = Link(2.0, 500.0, 500.0)
    return Measurement(
        Configuration(cut, mhz * 1000), cost, runtime="fake", link=link, at=0.0, clock_synced=True, **origin
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.add_bundle(BUNDLE, network="digits")
    keep(made, [measured(cut, mhz) for cut in range(LAST + 1) for mhz in (600, 1800)])
    return made


def keep(store: MemoryStore, measurements: list[Measurement], *, boot: str = "boot") -> None:
    store.write([Arrival(each.device, boot, n, 1.0, each.to_json(), each) for n, each in enumerate(measurements)])


def test_an_order_becomes_a_draft_for_each_device(store):
    asked = ask(store, replace(ORDER, devices=("pi-1", "pi-2")), at=1.0)

    Computing(store).look()

    ended = store.computation(asked.id)
    assert (ended.state, ended.reason) == (ComputationState.SUCCEEDED, "")
    mine, like_it = (store.draft(ended.drafts[device]) for device in ("pi-1", "pi-2"))
    assert like_it == replace(mine, device="pi-2")
    assert (mine.version, mine.bundle, len(mine.rows)) == (0, BUNDLE, ended.facts["rows"])
    assert ended.facts["measurements"] == 6
    assert store.unfinished_computations() == []


def test_only_the_measurements_that_were_asked_for_count(store):
    keep(store, [measured(0, 600, run="other"), measured(1, 600, device="pi-2")], boot="later")

    _, facts = compute(store, replace(ORDER, run="job-7"))

    assert facts["measurements"] == 6


def test_the_newest_bundle_stands_in_where_none_is_named(store):
    assert ask(store, replace(ORDER, bundle=""), at=1.0).order.bundle == BUNDLE
    store.add_bundle("c" * 64, network="digits")

    with pytest.raises(NotFound, match="bundle cccccccccccc"):
        ask(store, replace(ORDER, bundle=""), at=1.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "faces"}, "no bundle of network 'faces'"),
        ({"bundle": "d" * 64}, "has no bundle dddd"),
        ({"device": "pi-9"}, "no measurements of digits .* on pi-9; have the device profile it"),
        ({"run": "job-8"}, "with tag job-8"),
    ],
)
def test_what_has_nothing_to_compute_from_is_refused_at_once(store, change, said):
    with pytest.raises(NotFound, match=said):
        ask(store, replace(ORDER, **change), at=1.0)

    assert store.unfinished_computations() == []


def test_measurements_that_make_no_table_fail_with_the_reason(store):
    keep(store, [measured(0, 600, run="bare")], boot="bare")
    asked = ask(store, replace(ORDER, run="bare"), at=1.0)

    Computing(store).look()

    ended = store.computation(asked.id)
    assert ended.state is ComputationState.FAILED
    assert "no edge-only run was measured" in ended.reason and "\n" not in ended.reason


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        ("cost", "head_ms", math.nan, "'head_ms' must be a finite number, not nan"),
        ("cost", "cloud_ms", 5e-324, "cannot have taken 4.94066e-324 ms in the cloud"),
        ("cost", "head_ms", 1e-160, "cannot have taken 1e-160 ms on the device"),
        ("cost", "head_mj", 5e-324, "with head_mj 4.94066e-324 where the middle one is 4"),
        ("configuration", "cpu_khz", 1, "with cpu_khz 1 where the middle one is 600000"),
        ("link", "rtt_ms", math.inf, "'rtt_ms' must be a finite number, not inf"),
    ],
)
def test_the_measurement_that_makes_nonsense_of_all_is_named(part, name, value, said):
    """Such were let in by earlier versions, or are possible each for itself."""
    store, odd = MemoryStore(), measured(1, 1800)
    store.add_bundle(BUNDLE, network="digits")
    keep(store, [measured(cut, mhz) for cut in range(LAST + 1) for mhz in (600, 1800) if (cut, mhz) != (1, 1800)])
    bad = odd.to_json()
    bad[part][name] = value
    store.write([Arrival("pi-1", "odd", 7, 1.0, bad, odd)])
    asked = ask(store, ORDER, at=1.0)

    Computing(store).look()

    ended = store.computation(asked.id)
    assert ended.state is ComputationState.FAILED
    assert "measurement 7 of pi-1, boot odd" in ended.reason
    assert said in ended.reason


def test_more_measurements_than_may_be_are_refused(store):
    with pytest.raises(InvalidInput, match=r"more than 5 measurements .* choose those of one run"):
        compute(store, ORDER, most=5)


def test_what_a_process_left_behind_another_takes_up_but_not_for_ever(store, monkeypatch):
    asked, clock = ask(store, ORDER, at=1.0), Clock()
    dying = Computing(store, wall_clock=clock)
    monkeypatch.setattr("cloud.tables.computing.compute", lambda *_: (_ for _ in ()).throw(ServiceMissing("gone")))

    for attempt in (1, 2, 3):
        with pytest.raises(ServiceMissing):
            dying.look()
        dying.look()  # another process is at it, as far as anybody knows
        assert store.computation(asked.id).attempts == attempt
        clock.now += 30.0
    dying.look()

    ended = store.computation(asked.id)
    assert (ended.state, ended.attempts) == (ComputationState.FAILED, 3)
    assert "begun 3 times" in ended.reason


PROFILE = Job("7", JobKind.PROFILE, {"network": "digits", "bundle": BUNDLE, "codecs": ["raw"], "repeats": 1})


def test_what_nobody_foresaw_fails_at_once_with_a_reason_and_holds_up_nobody(store, monkeypatch, caplog):
    stumbling, other = (ask(store, replace(ORDER, run=run), at=at) for run, at in (("job-7", 1.0), ("", 2.0)))

    def overflowing(store, order, **more):
        if order.run:
            raise OverflowError("Numerical result out of range")
        return compute(store, order, **more)

    monkeypatch.setattr("cloud.tables.computing.compute", overflowing)
    Computing(store, wall_clock=Clock()).look()

    failed = store.computation(stumbling.id)
    assert (failed.state, "Numerical result out of range" in failed.reason) == (ComputationState.FAILED, True)
    assert store.computation(other.id).state is ComputationState.SUCCEEDED
    assert "Traceback" in caplog.text


def test_what_a_job_measured_is_waited_for_until_it_is_here(store):
    clock = Clock()
    store.add_job("pi-1", PROFILE, at=900.0)
    with pytest.raises(Conflict, match="QUEUED: wait for its end"):
        ask(store, replace(ORDER, run="job-7"), at=1000.0)
    store.note_job("pi-1", JobReport("7", JobState.SUCCEEDED, 7, 7), at=950.0)
    asked = ask(store, replace(ORDER, run="job-7"), at=1000.0)
    computing = Computing(store, wall_clock=clock)

    computing.look()
    assert store.computation(asked.id).state is ComputationState.QUEUED
    keep(store, [measured(2, 1200)], boot="the last one")
    computing.look()

    assert store.computation(asked.id).facts["measurements"] == 7


def test_what_never_comes_is_not_waited_for_for_ever(store):
    clock = Clock()
    store.add_job("pi-1", PROFILE, at=900.0)
    store.note_job("pi-1", JobReport("7", JobState.SUCCEEDED, 9, 9), at=950.0)
    asked = ask(store, replace(ORDER, run="job-7"), at=1000.0)

    clock.now += 60.0
    Computing(store, wall_clock=clock).look()

    assert store.computation(asked.id).state is ComputationState.SUCCEEDED


def test_a_claim_is_renewed_for_as_long_as_it_is_computed_and_the_outcome_is_kept(store, monkeypatch):
    asked, clock = ask(store, ORDER, at=1.0), Clock()
    renewals: list[float] = []

    class Renewed(Renewing):
        def start(self):
            """By hand, below."""

        def stop(self):
            for _ in range(3):
                clock.now += 25.0
                assert self.once()
                renewals.append(store.computation(asked.id).claimed_until - clock.now)
                Computing(store, wall_clock=clock).look()  # another process, which leaves it alone
            return self._claim

    monkeypatch.setattr("cloud.tables.computing.Renewing", Renewed)
    Computing(store, wall_clock=clock).look()

    ended = store.computation(asked.id)
    assert (ended.state, ended.attempts, renewals) == (ComputationState.SUCCEEDED, 1, [30.0] * 3)


def test_a_claim_that_another_process_has_taken_up_is_renewed_no_more(store):
    asked = ask(store, ORDER, at=1.0)
    renewing = Renewing(store, asked, wall_clock=Clock())
    assert store.save_computation(replace(asked, attempts=2))

    assert not renewing.once()

    assert store.computation(asked.id).attempts == 2


def test_a_store_that_is_away_is_asked_again_for_a_claim(store, monkeypatch):
    asked, clock = ask(store, ORDER, at=1.0), Clock()
    renewing = Renewing(store, asked, wall_clock=clock, every_s=0.001)

    def away(_computation):
        raise ServiceMissing("away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "save_computation", away)
        assert renewing.once()
    assert renewing.once()

    assert store.computation(asked.id).claimed_until == clock.now + 30.0
