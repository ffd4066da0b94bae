"""The emulated Edge TPU behind the runner child: it vanishes and hangs there, as a real one does."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from edge.runners.emulated_tpu import EmulatedTpuOpener
from edge.runners.port import RunnerKey, RunnerLost, RunnersHere, open_fake
from edge.runners.process import RunnerProcess
from hardware.accelerator.emulated_usb import EmulatedUsb
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed


@pytest.fixture
def usb(tmp_path) -> EmulatedUsb:
    made = EmulatedUsb(tmp_path / "usb")
    made.plug()
    return made


@pytest.fixture
def runners(usb):
    made = RunnersHere(opener=EmulatedTpuOpener(usb, cpu=open_fake))
    yield made
    made.close()


@pytest.fixture
def key(digits) -> RunnerKey:
    return RunnerKey(digits.folder, 1, EdgeAccelerator.STD)


@pytest.fixture
def noting(tmp_path, monkeypatch):
    """An opener that keeps what is opened and closed, in a child too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("faulty_runners").NotingOpener(tmp_path / "note")


def test_it_answers_as_the_cpu_does_and_says_what_it_is(runners, key, digits, image):
    on_cpu = runners.head(RunnerKey(digits.folder, 1), 4, [image])

    assert (runners.head(key, 4, [image]).boundary[0] == on_cpu.boundary[0]).all()
    assert runners.open(key) == "fake+emulated-edgetpu-std"
    assert runners.open(RunnerKey(digits.folder, 1)) == "fake"


def test_one_that_is_gone_fails_its_heads_until_it_is_back(runners, usb, key, image):
    usb.unplug()
    with pytest.raises(AcceleratorFailed, match="gone"):
        runners.head(key, 4, [image])
    usb.plug()
    runners.head(key, 4, [image])


@pytest.mark.parametrize("kind", [RunnersHere, pytest.param(RunnerProcess, marks=pytest.mark.system)])
def test_what_is_open_on_it_is_closed_when_it_is_given_up_and_opened_again_when_needed(
    kind, noting, key, digits, image
):
    runners = kind(opener=noting)
    try:
        runners.open(RunnerKey(digits.folder, 1))
        runners.head(key, 4, [image])
        runners.release_accelerators()
        assert noting.note.read_text().splitlines() == ["opened off", "opened std", "closed std"]
        runners.head(key, 4, [image])
        assert noting.note.read_text().splitlines()[3:] == ["opened std"]
    finally:
        runners.close()


def test_what_is_open_on_it_does_not_push_out_what_is_open_on_the_cpu(usb, digits, image):
    opened = []

    def counting(key, cache_dir):
        opened.append(key)
        return open_fake(key, cache_dir)

    runners = RunnersHere(opener=counting)
    kinds = (EdgeAccelerator.OFF, EdgeAccelerator.STD)
    keys = [RunnerKey(digits.folder, threads, kind) for threads in (1, 2, 3, 4) for kind in kinds]
    for key in keys * 2:
        runners.head(key, 4, [image])
    runners.close()

    assert len(opened) == len(keys)


@pytest.mark.system
def test_one_that_hangs_hangs_in_the_child_which_is_killed(usb, key, digits, image):
    runner = RunnerProcess(opener=EmulatedTpuOpener(usb, cpu=open_fake), first_head_s=10.0)
    try:
        runner.open(key)
        runner.head(key, 4, [image], limit_s=10.0)
        child = runner.pid
        usb.hang()
        with pytest.raises(RunnerLost, match=r"the head at cut 4 on accelerator std took longer than 0\.3 s"):
            runner.head(key, 4, [image], limit_s=0.3)
        assert runner.pid != child
        runner.head(RunnerKey(digits.folder, 1), 4, [image])
        usb.answer()
        runner.head(key, 4, [image], limit_s=30.0)
        runner.release_accelerators()
        assert runner.open(key) == "fake+emulated-edgetpu-std"
    finally:
        runner.close()
