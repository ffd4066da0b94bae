"""Taking turns at the runners."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from cloud.bundles.files import BundleFiles
from cloud.inference.tails import Tails
from cloud.waiting import WithoutWaiting, WouldWait
from hardware.clock import VirtualClock
from models.running.runner import FakeRunner
from protocol.errors import DeadlineHopeless, NotFound

PATIENCE_S = 20.0


class Watched(FakeRunner):
    """A runner that can be held in the middle of a tail."""

    def __init__(self, manifest, log: list[str], gate: threading.Event) -> None:
        super().__init__(manifest)
        self._log = log
        self._gate = gate
        self.entered = threading.Event()

    def tail(self, cut, boundary):
        self._log.append("enter")
        self.entered.set()
        assert self._gate.wait(PATIENCE_S)
        result = super().tail(cut, boundary)
        self._log.append("leave")
        return result

    def close(self):
        self._log.append("close")
        super().close()


class Timed(FakeRunner):
    """A runner whose tails take 8 s of a virtual clock."""

    def __init__(self, manifest, clock: VirtualClock) -> None:
        super().__init__(manifest)
        self._clock = clock
        self.ran = 0

    def tail(self, cut, boundary):
        self._clock.sleep(8.0)
        self.ran += 1
        return super().tail(cut, boundary)


class Stage:
    """Tails over watched runners of one folder with several bundles."""

    def __init__(self, folder, *, most_open: int) -> None:
        self.log: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.runners: list[Watched] = []
        self.tails = Tails(BundleFiles(folder), open_runner=self._open, most_open=most_open, most_waiting=16)

    def _open(self, bundle):
        self.log.append("open")
        self.runners.append(Watched(bundle.manifest, self.log, self.gate))
        return self.runners[-1]


@pytest.fixture
def folder(tmp_path, digits):
    """A store with the digits bundle under three digests."""
    (tmp_path / "bundles").mkdir()
    for name in "abc":
        (tmp_path / "bundles" / (name * 64)).symlink_to(digits.folder)
    return tmp_path


def run(stage: Stage, name: str, image, **more):
    return stage.tails.run(name * 64, 0, [image], **more)


def started(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action)
    thread.start()
    return thread


def test_a_bundle_is_opened_once(folder, image):
    stage = Stage(folder, most_open=2)

    run(stage, "a", image)
    run(stage, "a", image)

    assert stage.log == ["open", "enter", "leave", "enter", "leave"]


def test_calls_of_one_bundle_take_turns(folder, image):
    stage = Stage(folder, most_open=2)

    threads = [started(lambda: run(stage, "a", image)) for _ in range(4)]
    for thread in threads:
        thread.join(PATIENCE_S)

    assert stage.log == ["open", *["enter", "leave"] * 4]


def test_the_least_recently_used_bundle_makes_room(folder, image):
    stage = Stage(folder, most_open=2)

    for name in "abac":
        run(stage, name, image)

    assert stage.tails.opened == ("a" * 64, "c" * 64)
    assert stage.log.count("close") == 1
    assert np.array_equal(*[next(iter(run(stage, name, image).outputs.values())) for name in "ab"])


def test_a_bundle_in_use_is_closed_only_after_its_call(folder, image):
    stage = Stage(folder, most_open=1)
    stage.gate.clear()
    busy = started(lambda: run(stage, "a", image))
    assert wait_for(lambda: bool(stage.runners)) and stage.runners[0].entered.wait(PATIENCE_S)

    other = started(lambda: run(stage, "b", image))
    stage.gate.set()
    for thread in (busy, other):
        thread.join(PATIENCE_S)

    assert stage.log.index("leave") < stage.log.index("close")
    assert stage.tails.opened == ("b" * 64,)


def test_who_cannot_wait_longer_is_told(folder, image):
    stage = Stage(folder, most_open=1)
    stage.gate.clear()
    busy = started(lambda: run(stage, "a", image))
    assert wait_for(lambda: bool(stage.runners)) and stage.runners[0].entered.wait(PATIENCE_S)

    with pytest.raises(DeadlineHopeless, match="deadline"):
        run(stage, "a", image, patience_s=0.01)

    stage.gate.set()
    busy.join(PATIENCE_S)


def test_who_waits_is_told_once_a_measurement_leaves_no_time_for_its_tail(folder, image):
    clock = VirtualClock()
    runners = []

    def open_runner(bundle):
        runners.append(Timed(bundle.manifest, clock))
        return runners[-1]

    tails = Tails(BundleFiles(folder), open_runner=open_runner, most_open=1, most_waiting=16, clock=clock)
    outcomes: list[str] = []

    def call() -> None:
        try:
            tails.run("a" * 64, 0, [image], patience_s=PATIENCE_S)
            outcomes.append("ran")
        except DeadlineHopeless as error:
            outcomes.append(str(error))

    tails.open("a" * 64)
    turn = tails._turn("a" * 64)
    with turn.lock:
        threads = [started(call) for _ in range(4)]
        assert wait_for(lambda: len(tails.line._places) == 4)
    for thread in threads:
        thread.join(PATIENCE_S)

    assert runners[0].ran == 2
    assert sorted(outcomes)[2:] == ["ran", "ran"]
    assert all("4000 ms were left" in outcome for outcome in sorted(outcomes)[:2])


def test_a_bundle_that_took_all_the_time_to_open_runs_nothing_late(folder, image):
    clock = VirtualClock()
    runners = []

    def open_runner(bundle):
        clock.sleep(2.0)
        runners.append(Timed(bundle.manifest, clock))
        return runners[-1]

    tails = Tails(BundleFiles(folder), open_runner=open_runner, most_open=1, most_waiting=16, clock=clock)

    with pytest.raises(DeadlineHopeless):
        tails.run("a" * 64, 0, [image], patience_s=1.0)

    assert runners[0].ran == 0
    assert tails.run("a" * 64, 0, [image], patience_s=9.0)


def test_a_closed_bundle_opens_again(folder, image):
    stage = Stage(folder, most_open=2)
    run(stage, "a", image)

    stage.tails.close("a" * 64)
    stage.tails.close("b" * 64)

    assert run(stage, "a", image)
    assert stage.tails.opened == ("a" * 64,)


def test_a_bundle_that_is_not_here_is_not_found(folder, image):
    with pytest.raises(NotFound):
        run(Stage(folder, most_open=1), "f", image)


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true within the patience of these tests."""
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        if condition():
            return True
        tick.wait(0.005)
    return False


@dataclass
class Waited:
    """What becomes of calls that must not wait."""

    stage: Stage
    image: np.ndarray

    def would(self, name: str = "a", *, holding: bool = True) -> bool:
        for runner in self.stage.runners:
            runner.holds_interpreter = holding
        try:
            with WithoutWaiting():
                run(self.stage, name, self.image)
        except WouldWait:
            return True
        return False


def test_who_must_not_wait_runs_only_a_tail_that_is_open_and_has_run_before(folder, image):
    waited = Waited(Stage(folder, most_open=1), image)

    assert waited.would()
    assert waited.stage.log == []
    run(waited.stage, "a", image)
    assert not waited.would()
    assert waited.would("b")
    assert waited.stage.tails.opened == ("a" * 64,)
    waited.stage.tails.open("b" * 64)
    assert waited.would("b")
    waited.stage.tails.open("a" * 64)
    assert waited.would(), "it has run in another runner, which is closed"


def test_nor_does_it_run_one_that_lets_others_run_meanwhile(folder, image):
    waited = Waited(Stage(folder, most_open=1), image)
    run(waited.stage, "a", image)

    assert waited.would(holding=False)


def test_nor_does_it_wait_for_another_call(folder, image):
    waited = Waited(Stage(folder, most_open=1), image)
    run(waited.stage, "a", image)
    runner = waited.stage.runners[0]
    runner.entered.clear()
    waited.stage.gate.clear()
    busy = started(lambda: run(waited.stage, "a", image))
    assert runner.entered.wait(PATIENCE_S)

    assert waited.would()
    waited.stage.gate.set()
    busy.join(PATIENCE_S)
    assert waited.stage.tails.line.wait_s() == 0.0
    assert not waited.would()
