"""What every Edge TPU does: the one found in sysfs, and the one that is a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hardware.accelerator.edge_tpu import PluggedEdgeTpu, PowerSaving
from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.accelerator.hub_power import HubPower
from hardware.accelerator.port import EdgeTpu
from hardware.accelerator.presence import BusPresence, HubPort
from hardware.clock import VirtualClock
from hardware.fakes.kernel_trees import KernelTree, make_pi4
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed

MODES = tuple(EdgeAccelerator)
RESTS_S = 30.0


@dataclass
class Timers:
    """`Later` on a clock that jumps."""

    clock: VirtualClock
    waiting: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def later(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        entry = (self.clock() + seconds, call)
        self.waiting.append(entry)
        return lambda: self.waiting.remove(entry) if entry in self.waiting else None

    def pass_s(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        due = [entry for entry in self.waiting if entry[0] <= self.clock()]
        for entry in due:
            self.waiting.remove(entry)
            entry[1]()


@dataclass
class Hub:
    """A hub whose uhubctl prints what the real one does, over a tree of sysfs. `comes_back`: whether what is on the port
    shows up again when it has power; `refuses`: what it says instead of switching."""

    tree: KernelTree
    comes_back: bool = True
    refuses: str = ""
    commands: list[str] = field(default_factory=list)

    def run(self, command):
        self.commands.append(" ".join(command))
        if self.refuses:
            return 1, self.refuses
        if command[-1] == "off":
            self.tree.unplug_usb(port="2-1")
        elif self.comes_back:
            self.tree.plug_usb("1a6e", "089a", port="2-1")
        state = "0080 off" if command[-1] == "off" else "02a0 power 5gbps Rx.Detect"
        return 0, (
            "Current status for hub 2 [1d6b:0003 Linux 6.6.74 xhci-hcd xHCI Host Controller, USB 3.00, 4 ports, ppps]\n"
            "  Port 1: 0203 power 5gbps U0 enable connect [1a6e:089a]\n"
            f"Sent power {command[-1]} request\nNew status for hub 2 [1d6b:0003 …]\n  Port 1: {state}\n"
        )


@dataclass
class Bench:
    """An Edge TPU, and what a test does to it from outside."""

    tpu: EdgeTpu
    plug: Callable[[], None]
    unplug: Callable[[], None]
    powered: Callable[[], bool]
    timers: Timers
    again: Callable[[], EdgeTpu]
    released: list[str]


def plugged(presence: BusPresence, run, note: Path, timers: Timers, released: list[str]) -> Callable[[], EdgeTpu]:
    clock = timers.clock

    def make() -> EdgeTpu:
        saving = PowerSaving(HubPower(run), RESTS_S, note, before=lambda: released.append("released"))
        return PluggedEdgeTpu(MODES, presence, saving=saving, clock=clock, sleep=clock.sleep, later=timers.later)

    return make


def in_sysfs(tmp_path: Path) -> Bench:
    tree, clock = make_pi4(tmp_path / "sys"), VirtualClock()
    hub, timers, released = Hub(tree), Timers(clock), []

    def plug() -> None:
        tree.plug_usb("18d1", "9302", port="2-1")

    plug()
    make = plugged(BusPresence(tree.sys, clock=clock), hub.run, tmp_path / "note", timers, released)
    device = tree.sys / "bus/usb/devices/2-1"
    return Bench(make(), plug, lambda: tree.unplug_usb(port="2-1"), device.exists, timers, make, released)


def in_a_folder(tmp_path: Path) -> Bench:
    usb, clock = EmulatedUsb(tmp_path / "usb"), VirtualClock()
    timers, released = Timers(clock), []
    usb.plug()
    make = plugged(BusPresence(usb.root, clock=clock), usb.uhubctl, tmp_path / "note", timers, released)
    return Bench(make(), usb.plug, usb.unplug, lambda: usb.plugged, timers, make, released)


@pytest.fixture(params=[in_sysfs, in_a_folder], ids=lambda make: make.__name__)
def bench(request, tmp_path) -> Bench:
    return request.param(tmp_path)


def test_off_is_the_first_of_its_modes_and_they_stay_while_it_is_away(bench):
    assert bench.tpu.modes == MODES
    bench.unplug()
    assert bench.tpu.modes == MODES


def test_one_that_is_plugged_in_can_be_woken_again_and_again(bench):
    assert bench.tpu.present()
    bench.tpu.wake()
    bench.tpu.wake()


def test_one_that_vanishes_is_away_at_once_and_cannot_be_woken(bench):
    assert bench.tpu.present()
    bench.unplug()
    assert not bench.tpu.present()
    with pytest.raises(AcceleratorFailed, match="not on the bus"):
        bench.tpu.wake()


def test_one_that_comes_back_is_seen_within_a_second(bench):
    bench.unplug()
    assert not bench.tpu.present()
    bench.plug()
    bench.timers.clock.sleep(1.0)
    assert bench.tpu.present()
    bench.tpu.wake()


def test_the_port_loses_its_power_only_after_enough_rest(bench):
    bench.tpu.rest()
    bench.timers.pass_s(RESTS_S - 1)
    assert bench.powered()
    bench.tpu.rest()
    bench.timers.pass_s(1)
    assert not bench.powered()
    assert bench.tpu.present(), "it can be had back"
    assert bench.released == ["released"]


def test_work_in_between_begins_the_rest_anew(bench):
    bench.tpu.rest()
    bench.timers.pass_s(RESTS_S - 1)
    bench.tpu.wake()
    bench.timers.pass_s(RESTS_S)
    assert bench.powered()
    bench.tpu.rest()
    bench.timers.pass_s(RESTS_S)
    assert not bench.powered()


def test_waking_gives_the_power_back_and_waits_for_the_device(bench):
    bench.tpu.rest()
    bench.timers.pass_s(RESTS_S)
    bench.tpu.wake()
    assert bench.powered() and bench.tpu.present()


def test_restoring_gives_the_power_back_and_may_be_repeated(bench):
    bench.tpu.restore()
    bench.tpu.rest()
    bench.timers.pass_s(RESTS_S)
    bench.tpu.restore()
    bench.tpu.restore()
    assert bench.powered()


def test_after_a_crash_the_next_start_knows_that_the_port_has_no_power(bench):
    bench.tpu.rest()
    bench.timers.pass_s(RESTS_S)
    successor = bench.again()
    assert successor.present()
    successor.wake()
    assert bench.powered()


@pytest.fixture
def tree(tmp_path) -> KernelTree:
    made = make_pi4(tmp_path / "sys")
    made.plug_usb("1a6e", "089a", port="2-1")
    return made


@pytest.fixture
def timers() -> Timers:
    return Timers(VirtualClock())


def on(tree: KernelTree, hub: Hub, timers: Timers, tmp_path: Path, **more) -> PluggedEdgeTpu:
    clock = timers.clock
    saving = PowerSaving(HubPower(hub.run), RESTS_S, tmp_path / "note", **more)
    presence = BusPresence(tree.sys, clock=clock)
    return PluggedEdgeTpu(MODES, presence, saving=saving, clock=clock, sleep=clock.sleep, later=timers.later)


def test_a_hub_that_cannot_switch_is_asked_once_and_the_tpu_serves_on(tree, timers, tmp_path, caplog):
    hub = Hub(tree, refuses="No compatible devices detected at location 2!\nRun with -h to get usage info.\n")
    tpu = on(tree, hub, timers, tmp_path)

    for _ in range(3):
        tpu.rest()
        timers.pass_s(RESTS_S)
        tpu.wake()

    assert hub.commands == ["uhubctl -l 2 -p 1 -a off"]
    assert "keeps its power" in caplog.text and "No compatible devices" in caplog.text


def test_a_missing_program_says_what_to_do(tree, timers, tmp_path, caplog):
    tpu = on(tree, Hub(tree), timers, tmp_path, before=lambda: None)
    tpu = PluggedEdgeTpu(
        MODES,
        BusPresence(tree.sys, clock=timers.clock),
        saving=PowerSaving(HubPower(missing), RESTS_S, tmp_path / "note"),
        later=timers.later,
    )
    tpu.rest()
    timers.pass_s(RESTS_S)

    assert "install it, or set edgetpu_power_down_s = 0" in caplog.text


def missing(command):
    raise FileNotFoundError(2, "No such file or directory")


def test_one_that_does_not_come_back_with_its_power_fails_after_a_deadline(tree, timers, tmp_path):
    tpu = on(tree, Hub(tree, comes_back=False), timers, tmp_path)
    tpu.rest()
    timers.pass_s(RESTS_S)
    before_s = timers.clock()

    with pytest.raises(AcceleratorFailed, match="did not come back within 3 s"):
        tpu.wake()

    assert 3 <= timers.clock() - before_s < 4
    assert not tpu.present()


def test_a_port_that_could_not_be_switched_on_once_is_switched_on_by_the_next_try(tree, timers, tmp_path):
    hub = Hub(tree)
    tpu = on(tree, hub, timers, tmp_path)
    tpu.rest()
    timers.pass_s(RESTS_S)
    hub.refuses = "no answer within 10 s"
    with pytest.raises(AcceleratorFailed):
        tpu.wake()

    hub.refuses = ""
    tpu.wake()

    assert tpu.present()
    assert not (tmp_path / "note").exists()


def test_nobody_who_rests_waits_while_the_port_is_switched(tree, timers, tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    def slow_release() -> None:
        begun.set()
        assert go_on.wait(20)

    tpu = on(tree, Hub(tree), timers, tmp_path, before=slow_release)
    tpu.rest()
    switching = threading.Thread(target=timers.pass_s, args=(RESTS_S,))
    switching.start()
    assert begun.wait(20)

    tpu.rest()

    assert switching.is_alive()
    go_on.set()
    switching.join(20)
    assert tpu.present()


def test_a_port_that_is_set_is_the_one_that_is_switched(tree, timers, tmp_path):
    hub = Hub(tree)
    tpu = on(tree, hub, timers, tmp_path, port=HubPort("1-1", 3))
    tpu.rest()
    timers.pass_s(RESTS_S)
    assert hub.commands == ["uhubctl -l 1-1 -p 3 -a off"]
