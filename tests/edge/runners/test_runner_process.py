"""The runner child: whatever happens to it, the front goes on; whatever happens to the front, no child stays."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from edge.runners.port import RunnerKey, RunnerLost, open_fake
from edge.runners.process import RunnerProcess
from models.running.runner import RunnerFailed

pytestmark = pytest.mark.system


@pytest.fixture
def faulty(monkeypatch):
    """The openers beside this file, where a child can import them too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("faulty_runners")


@pytest.fixture
def make():
    opened = []

    def making(**change) -> RunnerProcess:
        opened.append(RunnerProcess(**change))
        return opened[-1]

    yield making
    for runner in opened:
        runner.close()


@pytest.fixture
def key(digits) -> RunnerKey:
    return RunnerKey(digits.folder, 1)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ended_with_all_threads(pid: int) -> None:
    """Waits for a killed child without taking its exit code from whom it belongs to.

    `gone` is not enough here: the main thread shows as a zombie while others still end, and until then the pipe is open.
    """
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_a_child_that_hangs_is_killed_and_replaced(make, faulty, key, image):
    runner = make(opener=faulty.hanging, timeout_s=0.2)
    runner.open(key)
    hung = runner.pid
    with pytest.raises(RunnerLost, match=r"the head at cut 4 took longer than 0\.2 s"):
        runner.head(key, 4, [image])
    assert gone(hung) and runner.pid not in (None, hung)
    assert runner.open(key) == "fake"


def test_a_child_that_dies_is_named_with_its_exit_code_and_replaced(make, faulty, key, image):
    runner = make(opener=faulty.dying)
    with pytest.raises(RunnerLost, match=rf"died during the head at cut 4 \(exit code -{int(signal.SIGILL)}\)"):
        runner.head(key, 4, [image])
    assert runner.open(key) == "fake"


def test_a_child_that_was_killed_between_requests_is_replaced_without_a_word(make, key, image):
    runner = make(opener=open_fake)
    runner.open(key)
    killed = runner.pid
    os.kill(killed, signal.SIGKILL)
    ended_with_all_threads(killed)
    assert len(runner.head(key, 4, [image]).boundary) == 1


@pytest.fixture
def no_processes(monkeypatch):
    """As where the limit of tasks is reached, while the context lasts."""

    def refuse(*_args, **_options):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    @contextlib.contextmanager
    def refusing():
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", refuse)
            yield

    return refusing


def test_where_no_child_can_be_started_for_a_moment_a_request_is_told_so_and_the_next_is_served(
    make, key, image, no_processes
):
    runner = make(opener=open_fake)
    with no_processes(), pytest.raises(RunnerLost, match=r"cannot be started: .*Resource temporarily unavailable"):
        runner.head(key, 4, [image])

    assert len(runner.head(key, 4, [image]).boundary) == 1


def test_a_child_that_hangs_where_no_other_can_be_started_is_replaced_later(make, faulty, key, image, no_processes):
    runner = make(opener=faulty.hanging, timeout_s=0.2)
    runner.open(key)
    with no_processes():
        with pytest.raises(RunnerLost, match=r"took longer than 0\.2 s.*cannot be started"):
            runner.head(key, 4, [image])
        assert "cannot be started" in runner.obstacle()

    assert runner.open(key) == "fake"


def test_a_child_that_is_killed_while_nobody_asks_costs_no_request(make, key, image):
    runner = make(opener=open_fake)
    for _ in range(5):
        runner.open(key)
        os.kill(runner.pid, signal.SIGKILL)
        assert len(runner.head(key, 4, [image]).boundary) == 1


def test_a_child_that_dies_before_it_takes_any_call_is_tried_twice_and_named(make, faulty, key, image):
    runner = make(opener=faulty.UnreadableOpener())
    with pytest.raises(RunnerLost, match=r"died before the head at cut 4 \(exit code 1\)"):
        runner.head(key, 4, [image])


def test_what_a_runtime_raises_is_an_error_and_the_child_lives_on(make, faulty, key, image):
    runner = make(opener=faulty.breaking)
    runner.open(key)
    child = runner.pid
    with pytest.raises(RunnerFailed, match="the head at cut 4 failed: ValueError: the delegate failed"):
        runner.head(key, 4, [image])
    assert runner.pid == child


def test_until_a_bundle_is_there_the_child_has_loaded_nothing_and_nobody_stands_beside_it(make, key):
    before = set(psutil.Process().children(recursive=True))
    runner = make(opener=open_fake)
    runner.start()
    assert [child.pid for child in set(psutil.Process().children(recursive=True)) - before] == [runner.pid]
    assert not any("numpy" in mapped.path for mapped in psutil.Process(runner.pid).memory_maps())
    assert runner.open(key) == "fake"


def test_closing_ends_the_child(make, key):
    runner = make(opener=open_fake)
    runner.open(key)
    child = runner.pid
    runner.close()
    assert gone(child)


def test_an_interrupt_from_the_keyboard_does_not_end_the_child(make, key):
    runner = make(opener=open_fake)
    runner.open(key)
    child = runner.pid
    os.kill(child, signal.SIGINT)
    assert runner.open(key) == "fake"
    assert runner.pid == child


FRONT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import faulty_runners
import numpy as np
from edge.runners.process import RunnerProcess
from edge.runners.port import RunnerKey
if __name__ == "__main__":
    runner = RunnerProcess(opener=faulty_runners.hanging, cache_dir=Path(sys.argv[2]))
    runner.head(RunnerKey(Path(sys.argv[1]), 1), 4, [np.zeros((1, 64, 64, 1), np.float32)])
"""


def test_a_child_in_the_middle_of_a_head_ends_when_its_front_is_killed(tmp_path, digits, wait_until):
    script, started = tmp_path / "front.py", tmp_path / "head-started"
    script.write_text(FRONT)
    command = [sys.executable, str(script), str(digits.folder), str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command) as front:
        wait_until(lambda: started.exists() and started.read_text() != "")
        front.kill()
    child = int(started.read_text())
    wait_until(lambda: gone(child))


def test_a_head_with_a_limit_of_its_own_is_killed_by_that_once_it_has_run_before(make, faulty, key, image):
    runner = make(opener=faulty.hanging_from_the_second_on, timeout_s=30.0, first_head_s=20.0)
    runner.head(key, 4, [image], limit_s=0.2)
    with pytest.raises(RunnerLost, match=r"the head at cut 4 took longer than 0\.2 s"):
        runner.head(key, 4, [image], limit_s=0.2)


def test_the_first_head_at_a_cut_has_time_to_be_opened(make, faulty, key, image):
    runner = make(opener=faulty.hanging, timeout_s=30.0, first_head_s=0.3)
    runner.open(key)
    with pytest.raises(RunnerLost, match=r"took longer than 0\.3 s"):
        runner.head(key, 4, [image], limit_s=0.1)


def test_no_limit_is_longer_than_the_usual_one(make, faulty, key, image):
    runner = make(opener=faulty.hanging, timeout_s=0.2)
    runner.open(key)
    with pytest.raises(RunnerLost, match=r"took longer than 0\.2 s"):
        runner.head(key, 4, [image], limit_s=99.0)
