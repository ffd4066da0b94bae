"""Jobs: worked off one after the other, told, kept over restarts, and never done twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.jobs.book import JobBook
from edge.jobs.desk import JobDesk
from edge.jobs.restarting import restarting
from edge.jobs.work import Unfinished
from hardware.clock import VirtualClock
from protocol import topics
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.errors import InvalidInput, ServiceMissing
from protocol.jobs import Job, JobKind, JobList, JobReport, JobState

DEVICE = "pi-1"
PATIENCE_S = 20.0


@dataclass
class ScriptedWork:
    """Work that notes its steps; `before` is called with each."""

    total: int = 3
    before: Callable[[int], None] = lambda _index: None
    steps: list[int] = field(default_factory=list)
    independent: bool = False
    closed: int = 0

    def step(self, index: int, /) -> None:
        self.before(index)
        self.steps.append(index)

    def close(self) -> None:
        self.closed += 1


class Gate:
    """Lets steps pass until the one with this index, which waits until it is opened."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._reached, self._opened = threading.Event(), threading.Event()

    def __call__(self, index: int) -> None:
        if index == self._index:
            self._reached.set()
            assert self._opened.wait(PATIENCE_S)

    def reached(self) -> bool:
        return self._reached.wait(PATIENCE_S)

    def open(self) -> None:
        self._opened.set()


class Operator:
    """What the cloud sees of a device's jobs."""

    def __init__(self, hub: InMemoryHub) -> None:
        self.bus = InMemoryBus(hub)
        self.reports: list[JobReport] = []
        self.bus.subscribe(topics.job_reported(DEVICE), self._reported)
        self.bus.start()

    def list(self, *jobs: Job) -> None:
        self.bus.publish(topics.job(DEVICE), JobList(jobs).to_bytes(), retain=True)

    def states(self, number: str) -> list[JobState]:
        """Each state that was told, once where it was told several times in a row."""
        told = [report.state for report in self.reports if report.id == number]
        return [state for index, state in enumerate(told) if index == 0 or told[index - 1] is not state]

    def final(self, number: str) -> JobReport | None:
        return next((each for each in self.reports if each.id == number and each.state.final), None)

    def _reported(self, _topic: str, payload: bytes) -> None:
        self.reports.append(JobReport.from_bytes(payload))


@pytest.fixture
def hub():
    return InMemoryHub()


@pytest.fixture
def operator(hub):
    return Operator(hub)


@pytest.fixture
def clock():
    return VirtualClock(1000.0)


@pytest.fixture
def desk(hub, tmp_path, clock):
    """Starts a device's desk; the next one is that of the agent's next start, on the same folder."""
    started: list[tuple[JobDesk, InMemoryBus]] = []

    def end() -> None:
        while started:
            here, bus = started.pop()
            bus.stop()
            here.stop()

    def start(makers, *, folder: Path = tmp_path, connected: bool = True) -> JobDesk:
        end()
        bus = InMemoryBus(hub)
        book = JobBook(folder / "jobs.json", ended_kept=3)
        made = JobDesk(book, bus, device=DEVICE, makers=makers, clock=clock, patience_s=(0.0, 0.0), parting_s=0.0)
        made.start()
        if connected:
            bus.start()
        started.append((made, bus))
        return made

    yield start
    end()


def doing(*works: ScriptedWork):
    """A maker that hands out works in turn."""
    waiting = list(works)
    return {JobKind.PROFILE: lambda _job, _begun: waiting.pop(0)}


def job(number: str = "a", **change) -> Job:
    return Job(number, change.pop("kind", JobKind.PROFILE), **change)


def refuse(_index):
    raise InvalidInput("that is not possible here")


def away(_index):
    raise ServiceMissing("the cloud is away")


def test_jobs_are_done_one_after_the_other_and_told(desk, operator, wait_until):
    first, second = ScriptedWork(), ScriptedWork(total=2)
    desk(doing(first, second))
    operator.list(job("a"), job("b"))
    wait_until(lambda: operator.final("b"))
    assert (first.steps, second.steps, first.closed, second.closed) == ([0, 1, 2], [0, 1], 1, 1)
    assert operator.states("a") == operator.states("b") == [JobState.IN_PROGRESS, JobState.SUCCEEDED]
    assert operator.final("a") == JobReport("a", JobState.SUCCEEDED, done=3, total=3)


def test_a_job_that_fails_does_not_block_the_next(desk, operator, wait_until):
    desk(doing(ScriptedWork(before=refuse), ScriptedWork()))
    operator.list(job("a"), job("b"))
    wait_until(lambda: operator.final("b"))
    assert operator.final("a") == JobReport("a", JobState.FAILED, reason="that is not possible here")
    assert operator.final("b").state is JobState.SUCCEEDED


def test_what_nobody_foresaw_fails_the_job_alone(desk, operator, wait_until):
    def crash(_index):
        raise ZeroDivisionError

    crashing = ScriptedWork(before=crash)
    desk(doing(crashing, ScriptedWork()))
    operator.list(job("a"), job("b"))
    wait_until(lambda: operator.final("b"))
    assert "log" in operator.final("a").reason
    assert crashing.closed == 1


def test_a_step_that_may_go_well_later_is_tried_again(desk, operator, wait_until):
    tries = []

    def away_twice(index):
        tries.append(index)
        if len(tries) < 3:
            away(index)

    desk(doing(ScriptedWork(total=1, before=away_twice)))
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    assert operator.final("a").state is JobState.SUCCEEDED


def test_patience_ends(desk, operator, wait_until):
    desk(doing(ScriptedWork(before=away)))
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    assert operator.final("a") == JobReport("a", JobState.FAILED, reason="the cloud is away")


def some_away(*indices: int):
    def step(index):
        if index in indices:
            away(index)

    return step


def test_where_steps_are_independent_the_others_go_on_and_the_failures_are_told(desk, operator, wait_until):
    work = ScriptedWork(total=4, before=some_away(0, 2), independent=True)
    desk(doing(work))
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    told = operator.final("a")
    assert work.steps == [1, 3]
    assert (told.state, told.done, told.total) == (JobState.SUCCEEDED, 4, 4)
    assert told.reason == "2 of 4 steps failed; the first: the cloud is away"


def test_a_job_of_which_every_step_failed_has_failed(desk, operator, wait_until):
    desk(doing(ScriptedWork(total=2, before=refuse, independent=True)))
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    assert operator.final("a").state is JobState.FAILED
    assert operator.final("a").reason == "2 of 2 steps failed; the first: that is not possible here"


def test_after_a_step_that_failed_each_is_tried_once_until_one_goes_well(desk, operator, wait_until):
    tried = []

    def before(index):
        tried.append(index)
        some_away(0, 1, 3)(index)

    desk(doing(ScriptedWork(total=4, before=before, independent=True)))
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    assert tried == [0, 0, 0, 1, 2, 3, 3, 3]


def test_what_failed_before_a_restart_is_told_after_it(desk, operator, wait_until):
    gate = Gate(2)

    def before(index):
        some_away(0)(index)
        gate(index)

    here = desk(doing(ScriptedWork(total=4, before=before, independent=True)))
    operator.list(job())
    assert gate.reached()
    here.stop()
    gate.open()
    desk(doing(ScriptedWork(total=4, independent=True)))
    wait_until(lambda: operator.final("a"))
    assert operator.final("a").reason == "1 of 4 steps failed; the first: the cloud is away"


def test_a_step_that_hangs_is_left_behind_when_its_time_is_over(desk, operator, wait_until):
    gate = Gate(0)
    hanging = ScriptedWork(before=gate)
    desk(doing(hanging, ScriptedWork()))
    operator.list(job("a", timeout_s=0.02), job("b"))
    wait_until(lambda: operator.final("b"))
    assert operator.final("a").state is JobState.TIMED_OUT
    assert "0.02 s" in operator.final("a").reason
    gate.open()
    wait_until(lambda: hanging.closed)
    assert hanging.steps == [0]
    assert operator.states("a") == [JobState.IN_PROGRESS, JobState.TIMED_OUT]


@pytest.mark.parametrize("gone", [False, True], ids=["cancelled", "unlisted"])
def test_a_job_that_is_not_wanted_any_more_ends_before_its_next_step(desk, operator, wait_until, gone):
    gate = Gate(1)
    work = ScriptedWork(total=9, before=gate)
    desk(doing(work))
    operator.list(job())
    assert gate.reached()
    operator.list(*([] if gone else [job(cancel=True)]))
    gate.open()
    wait_until(lambda: operator.final("a"))
    assert operator.final("a").state is JobState.CANCELED
    assert work.steps == [0, 1]
    assert work.closed == 1


def test_a_job_that_was_cancelled_before_it_began_never_begins(desk, operator, wait_until):
    desk(doing())
    operator.list(job(cancel=True))
    wait_until(lambda: operator.final("a"))
    assert operator.states("a") == [JobState.CANCELED]


def begun_and_ended(desk, operator, *, total: int = 4, before: int = 2) -> ScriptedWork:
    """A job whose device was ended while a step was under way."""
    gate = Gate(before)
    work = ScriptedWork(total=total, before=gate)
    here = desk(doing(work))
    operator.list(job())
    assert gate.reached()
    here.stop()
    gate.open()
    return work


def test_a_job_goes_on_where_it_was_after_a_restart(desk, operator, wait_until):
    before, after = begun_and_ended(desk, operator), ScriptedWork(total=4)
    desk(doing(after))
    wait_until(lambda: operator.final("a"))
    assert operator.final("a") == JobReport("a", JobState.SUCCEEDED, done=4, total=4)
    assert before.steps[:2] + after.steps == [0, 1, 2, 3]


def test_it_goes_on_without_a_broker(desk, operator, wait_until):
    begun_and_ended(desk, operator)
    after = ScriptedWork(total=4)
    desk(doing(after), connected=False)
    wait_until(lambda: after.closed)
    assert after.steps == [2, 3]


def test_steps_that_are_others_than_before_are_done_from_the_first(desk, operator, wait_until):
    begun_and_ended(desk, operator)
    after = ScriptedWork(total=5)
    desk(doing(after))
    wait_until(lambda: operator.final("a"))
    assert after.steps == [0, 1, 2, 3, 4]


def test_a_job_that_was_cancelled_while_the_device_was_off_does_not_go_on(desk, operator, wait_until):
    begun_and_ended(desk, operator)
    gate = Gate(2)
    after = ScriptedWork(total=4, before=gate)
    desk(doing(after))
    assert gate.reached()
    operator.list(job(cancel=True))
    gate.open()
    wait_until(lambda: operator.final("a"))
    assert operator.final("a").state is JobState.CANCELED
    assert after.steps == [2]


def test_a_job_that_has_ended_is_told_again_and_not_done_again(desk, operator, wait_until):
    desk(doing(ScriptedWork()))
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    operator.reports.clear()
    desk(doing())
    wait_until(lambda: operator.final("a"))
    assert operator.states("a") == [JobState.SUCCEEDED]


def test_more_jobs_than_are_remembered_are_each_done_once(desk, operator, wait_until):
    made: list[str] = []

    def make(order, _begun):
        made.append(order.id)
        return ScriptedWork(total=0)

    desk({JobKind.PROFILE: make})
    jobs = [job(f"job-{number}") for number in range(9)]
    operator.list(*jobs)
    wait_until(lambda: operator.final("job-8"))
    operator.list(*jobs, job("last"))
    wait_until(lambda: operator.final("last"))
    assert made == [each.id for each in jobs] + ["last"]


def test_progress_is_told_at_most_once_a_second(desk, operator, clock, wait_until):
    desk(doing(ScriptedWork(total=12, before=lambda _index: clock.sleep(0.25))))
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    told = [report.done for report in operator.reports if report.state is JobState.IN_PROGRESS]
    assert told == [0, 1, 5, 9]


def test_a_kind_that_is_not_known_here_fails_with_the_reason(desk, operator, wait_until):
    desk(doing(ScriptedWork()))
    entries = [{**job("odd").to_json(), "kind": "dance"}, job("b").to_json()]
    operator.bus.publish(topics.job(DEVICE), json.dumps({"schema": 1, "jobs": entries}).encode(), retain=True)
    wait_until(lambda: operator.final("b") and operator.final("odd"))
    assert operator.final("odd").state is JobState.FAILED
    assert "profile, push, restart" in operator.final("odd").reason


@pytest.mark.parametrize("payload", [b"", b"{}", b"nonsense", b'{"schema": 9, "jobs": []}'])
def test_what_is_no_list_changes_nothing(desk, operator, wait_until, payload):
    desk(doing(ScriptedWork()))
    operator.bus.publish(topics.job(DEVICE), payload)
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    assert operator.final("a").state is JobState.SUCCEEDED


def test_a_job_whose_step_ends_the_agent_each_time_is_given_up_and_the_next_one_is_done(
    desk, operator, tmp_path, wait_until
):
    """What is on disk while the step runs is what a power cut in the middle of it leaves."""
    operator.list(job("a"), job("b"))
    for _start in range(3):
        gate = Gate(0)
        desk(doing(ScriptedWork(before=gate)))
        assert gate.reached()
        left = (tmp_path / "jobs.json").read_bytes()
        desk(doing(), folder=tmp_path / "meanwhile", connected=False)
        (tmp_path / "jobs.json").write_bytes(left)
        gate.open()

    desk({JobKind.PROFILE: lambda _job, _begun: ScriptedWork()})

    wait_until(lambda: operator.final("a") and operator.final("b"))
    assert operator.final("a").state is JobState.FAILED
    assert "3 times" in operator.final("a").reason
    assert operator.final("b").state is JobState.SUCCEEDED


def test_ending_the_agent_cleanly_often_does_a_job_no_harm(desk, operator, wait_until):
    operator.list(job("a"))
    gates = [Gate(0) for _start in range(5)]
    for gate in gates:
        desk(doing(ScriptedWork(before=gate)))
        assert gate.reached()

    desk(doing(ScriptedWork()))

    wait_until(lambda: operator.final("a"))
    assert operator.final("a").state is JobState.SUCCEEDED
    for gate in gates:
        gate.open()


def test_a_restart_has_succeeded_when_the_agent_is_back(desk, operator, wait_until):
    ends = []
    makers = {JobKind.RESTART: restarting(lambda: ends.append(0))}
    desk(makers)
    operator.list(job(kind=JobKind.RESTART))
    wait_until(lambda: ends)
    assert operator.final("a") is None
    desk(makers)
    wait_until(lambda: operator.final("a"))
    assert operator.final("a").state is JobState.SUCCEEDED
    assert ends == [0]


def test_a_restart_that_does_not_come_is_not_waited_for_for_ever(desk, operator, wait_until):
    def unfinished(_index):
        raise Unfinished

    staying = {JobKind.RESTART: lambda _job, _begun: ScriptedWork(before=unfinished)}
    desk({**staying, **doing(ScriptedWork())})
    operator.list(job("a", kind=JobKind.RESTART, timeout_s=0.02), job("b"))
    wait_until(lambda: operator.final("b"))
    assert operator.final("a").state is JobState.TIMED_OUT


def test_a_job_that_cannot_be_kept_is_not_begun(desk, operator, tmp_path, wait_until):
    desk(doing(ScriptedWork()), folder=tmp_path / "away")
    operator.list(job())
    wait_until(lambda: operator.final("a"))
    assert operator.final("a").state is JobState.FAILED
    assert "cannot keep" in operator.final("a").reason
