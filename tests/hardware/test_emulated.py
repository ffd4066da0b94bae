import logging
import threading

import pytest

from hardware.accelerator.edge_tpu import PluggedEdgeTpu
from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.accelerator.presence import BusPresence
from hardware.boards import board_names, device_model, open_board
from hardware.clock import VirtualClock
from hardware.emulated import EmulatedBoard
from hardware.profile import emulated_names
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed, InvalidInput, NotFound
from protocol.work import Work

WORK = Work({"conv/int8": 1_000_000_000}, weight_bytes=1_000_000, activation_bytes=2_000_000, operators=3)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def model():
    return device_model("emulated-pi4")


@pytest.fixture
def board(clock, model) -> EmulatedBoard:
    return EmulatedBoard("emulated-pi4", model, clock=clock, sleep=clock.sleep)


def test_work_lasts_as_long_as_the_model_says(board, clock, model):
    board.apply(cpu_khz=600_000, accelerator=EdgeAccelerator.OFF)

    board.execute(WORK, lambda: None)

    assert clock() == pytest.approx(model.time_ms(WORK, 600_000) / 1e3)


def test_the_time_that_this_machine_needs_is_part_of_it(board, clock, model):
    board.execute(WORK, lambda: clock.sleep(0.01))

    assert clock() == pytest.approx(model.time_ms(WORK, 1_800_000) / 1e3)


def test_a_higher_clock_is_faster(board, clock):
    def lasts_s(cpu_khz):
        began_s = clock()
        board.apply(cpu_khz=cpu_khz, accelerator=EdgeAccelerator.OFF)
        board.execute(WORK, lambda: None)
        return clock() - began_s

    times_s = [lasts_s(khz) for khz in board.ladder_khz()]

    assert times_s == sorted(times_s, reverse=True)


def test_the_energy_of_work_is_busy_power_and_that_of_waiting_is_waiting_power(board, clock, model):
    board.apply(cpu_khz=1_000_000, accelerator=EdgeAccelerator.OFF)
    before = board.meter.read()
    board.execute(WORK, lambda: None)
    after = board.meter.read()
    clock.sleep(10)
    later = board.meter.read()

    assert after.joules - before.joules == pytest.approx(3.37 * model.time_ms(WORK, 1_000_000) / 1e3)
    assert later.joules - after.joules == pytest.approx(30.6)


def test_the_power_now_is_that_of_the_state(board):
    board.apply(cpu_khz=600_000, accelerator=EdgeAccelerator.OFF)

    during = board.execute(WORK, board.meter.read)

    assert during.watts == 2.94
    assert board.meter.read().watts == 2.72


def test_a_clock_change_shows_in_the_waiting_power(board):
    board.apply(cpu_khz=1_800_000, accelerator=EdgeAccelerator.OFF)

    assert board.meter.read().watts == 3.79


def test_work_that_fails_leaves_the_board_waiting_and_does_not_last(board, clock, model):
    def broken():
        raise RuntimeError("no such operator")

    with pytest.raises(RuntimeError, match="no such operator"):
        board.execute(WORK, broken)

    assert board.meter.read().watts == model.power.waiting_w(1_800_000)
    assert clock() == 0


def test_a_machine_slower_than_the_device_is_counted_and_said_once(board, clock, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            board.execute(WORK, lambda: clock.sleep(60))

    assert board.overruns == 3
    assert clock() == 180
    assert len(caplog.records) == 1


def test_handing_over_an_empty_head_is_no_overrun(board, clock):
    board.execute(Work(), lambda: clock.sleep(0.0002))

    assert board.overruns == 0


def test_unpublished_threads_are_refused_before_anything_runs(board):
    ran = []

    with pytest.raises(InvalidInput, match="1 thread"):
        board.execute(WORK, lambda: ran.append(1), threads=2)

    assert not ran


def test_two_pieces_of_work_run_one_after_the_other(board, clock, model):
    threads = [threading.Thread(target=board.execute, args=(WORK, lambda: None)) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert clock() == pytest.approx(4 * model.time_ms(WORK, 1_800_000) / 1e3)
    assert board.meter.read().joules == pytest.approx(4.33 * clock())


def test_the_same_work_costs_the_same_each_time(model):
    def cost():
        clock = VirtualClock()
        board = EmulatedBoard("emulated-pi4", model, clock=clock, sleep=clock.sleep)
        board.execute(WORK, lambda: None)
        return clock(), board.meter.read()

    assert cost() == cost()


def test_the_published_ladder_is_on_offer():
    board = open_board("emulated-pi4")

    assert board.ladder_khz() == tuple(range(600_000, 1_800_001, 200_000))


def test_an_unknown_board_is_refused_with_the_known_ones():
    with pytest.raises(NotFound, match="emulated-pi4"):
        open_board("pi-9000")


def test_every_emulated_board_opens_under_its_name():
    assert "emulated-pi4" in emulated_names()
    assert set(emulated_names()) < set(board_names())
    for name in emulated_names():
        assert open_board(name).name == name


@pytest.fixture
def usb(tmp_path) -> EmulatedUsb:
    made = EmulatedUsb(tmp_path)
    made.plug()
    return made


@pytest.fixture
def with_tpu(clock, model, usb) -> EmulatedBoard:
    tpu = PluggedEdgeTpu(tuple(EdgeAccelerator), BusPresence(usb.root, clock=clock), clock=clock, sleep=clock.sleep)
    return EmulatedBoard("emulated-pi4", model, edge_tpu=tpu, clock=clock, sleep=clock.sleep)


def test_work_on_the_tpu_lasts_as_long_and_draws_as_much_as_its_model_says(with_tpu, clock, model):
    with_tpu.apply(cpu_khz=1_800_000, accelerator=EdgeAccelerator.MAX)

    busy_w = with_tpu.execute(WORK, with_tpu.meter.read).watts

    assert clock() == pytest.approx(model.edge_tpu.time_ms(WORK, 1_800_000, EdgeAccelerator.MAX) / 1e3)
    assert (busy_w, with_tpu.meter.read().watts) == (5.60, 5.08)


def test_with_the_tpu_off_a_board_is_as_one_without(with_tpu, board):
    for accelerator in (EdgeAccelerator.STD, EdgeAccelerator.OFF):
        with_tpu.apply(cpu_khz=1_800_000, accelerator=accelerator)

    assert with_tpu.meter.read().watts == board.meter.read().watts


def test_a_tpu_that_has_vanished_is_no_longer_applied_and_the_board_goes_on(with_tpu, usb):
    usb.unplug()

    with pytest.raises(AcceleratorFailed, match="not on the bus"):
        with_tpu.apply(cpu_khz=1_800_000, accelerator=EdgeAccelerator.STD)

    assert EdgeAccelerator.STD in with_tpu.accelerators()
    with_tpu.apply(cpu_khz=1_800_000, accelerator=EdgeAccelerator.OFF)
    assert with_tpu.execute(WORK, lambda: 1) == 1


def test_the_tpu_runs_int8_alone(with_tpu):
    with_tpu.apply(cpu_khz=1_800_000, accelerator=EdgeAccelerator.STD)

    with pytest.raises(InvalidInput, match="conv/float32; an Edge TPU runs int8 alone"):
        with_tpu.execute(Work({"conv/float32": 1, "conv/int8": 1}), lambda: None)
