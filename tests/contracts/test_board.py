"""What holds for every board."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardware.accelerator.edge_tpu import PluggedEdgeTpu
from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.accelerator.port import EdgeTpu
from hardware.accelerator.presence import BusPresence
from hardware.board import Board
from hardware.boards import open_board
from hardware.clock import VirtualClock
from hardware.fakes.cpufreq import FakeCpufreq, FakeCpufreqPolicies
from hardware.fakes.kernel_trees import KernelTree, make_pi3, make_pi4, make_pi5, make_zero2w
from hardware.found_clocks import FoundClocksFile
from hardware.power.scripted import ScriptedMeter, Step
from hardware.sysfs import Write
from protocol.configuration import EdgeAccelerator, Provenance
from protocol.errors import InvalidInput
from protocol.work import Work

WORK = Work({"conv/float32": 50_000_000}, weight_bytes=1000, activation_bytes=1000, operators=1)


@dataclass
class Bench:
    """A board with what a test may look at from outside: whatever its settings are at this moment."""

    board: Board
    settings: Callable[[], object]


def emulated(tmp_path) -> Bench:
    clock = VirtualClock()
    board = open_board("emulated-pi4", clock=clock, sleep=clock.sleep)
    return Bench(board, lambda: board.meter.read().watts)


def emulated_with_tpu(tmp_path) -> Bench:
    clock, usb = VirtualClock(), EmulatedUsb(tmp_path)
    usb.plug()
    board = open_board("emulated-pi4", edge_tpu=tpu_on(usb.root, clock), clock=clock, sleep=clock.sleep)
    return Bench(board, lambda: board.meter.read().watts)


def tpu_on(sys: Path, clock: VirtualClock) -> PluggedEdgeTpu:
    return PluggedEdgeTpu(tuple(EdgeAccelerator), BusPresence(sys, clock=clock), clock=clock, sleep=clock.sleep)


def linux(tmp_path) -> Bench:
    """A driver that states its two ends only."""
    cpus = FakeCpufreq(tmp_path, (600_000, 1_000_000, 1_800_000), table=False)
    return opened(tmp_path, cpus.write, cpus.settings)


def pi3(tmp_path) -> Bench:
    return of_tree(make_pi3(tmp_path))


def pi4(tmp_path) -> Bench:
    return of_tree(make_pi4(tmp_path))


def pi4_with_tpu(tmp_path) -> Bench:
    tree = make_pi4(tmp_path)
    tree.plug_usb("18d1", "9302")
    return opened(tree.sys, tree.write, tree.cpufreq.settings, edge_tpu=tpu_on(tree.sys, VirtualClock()))


def pi5(tmp_path) -> Bench:
    return of_tree(make_pi5(tmp_path))


def pi5_with_clocks_that_it_never_runs_at(tmp_path) -> Bench:
    return of_tree(make_pi5(tmp_path, lowest_mhz=1000))


def zero2w_without_userspace(tmp_path) -> Bench:
    return of_tree(make_zero2w(tmp_path))


def big_little(tmp_path) -> Bench:
    little = FakeCpufreq(tmp_path, (408_000, 1_008_000, 1_416_000), number=0)
    big = FakeCpufreq(tmp_path, (408_000, 1_200_000, 1_800_000), number=4)
    policies = FakeCpufreqPolicies([little, big])
    return opened(tmp_path, policies.write, lambda: (little.settings(), big.settings()))


def of_tree(tree: KernelTree) -> Bench:
    return opened(tree.sys, tree.write, tree.cpufreq.settings)


def opened(sys: Path, write: Write, settings: Callable[[], object], *, edge_tpu: EdgeTpu | None = None) -> Bench:
    clock = VirtualClock()
    meter = ScriptedMeter([Step(0, 3.1)], clock=clock)
    found = FoundClocksFile(sys.parent / "run" / "cpufreq.json")
    board = open_board(
        "linux",
        meter=meter,
        edge_tpu=edge_tpu,
        found=found,
        sys=sys,
        write=write,
        clock=clock,
        sleep=clock.sleep,
    )
    return Bench(board, settings)


MAKERS = [
    emulated,
    emulated_with_tpu,
    linux,
    pi3,
    pi4,
    pi4_with_tpu,
    pi5,
    pi5_with_clocks_that_it_never_runs_at,
    zero2w_without_userspace,
    big_little,
]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def bench(request, tmp_path) -> Bench:
    sys = tmp_path / "sys"
    sys.mkdir()
    return request.param(sys)


@pytest.fixture
def board(bench) -> Board:
    return bench.board


def test_the_ladder_ascends_and_is_not_empty(board):
    ladder = board.ladder_khz()

    assert ladder
    assert list(ladder) == sorted(set(ladder))
    assert all(isinstance(khz, int) and khz > 0 for khz in ladder)


@pytest.mark.exhaustive(sample=3)
def test_every_clock_on_the_ladder_can_be_applied_exactly(board):
    for khz in (*board.ladder_khz(), *reversed(board.ladder_khz())):
        applied = board.apply(cpu_khz=khz, accelerator=EdgeAccelerator.OFF)

        assert (applied.cpu_khz, applied.accelerator) == (khz, EdgeAccelerator.OFF)


def test_a_clock_that_is_not_on_the_ladder_is_refused_and_nothing_changes(bench):
    bench.board.apply(cpu_khz=bench.board.ladder_khz()[0], accelerator=EdgeAccelerator.OFF)
    before = bench.settings()

    with pytest.raises(InvalidInput, match="1234567"):
        bench.board.apply(cpu_khz=1_234_567, accelerator=EdgeAccelerator.OFF)

    assert bench.settings() == before


def test_no_accelerator_is_always_possible_and_one_that_is_missing_is_refused(board):
    assert EdgeAccelerator.OFF in board.accelerators()
    for missing in set(EdgeAccelerator) - set(board.accelerators()):
        with pytest.raises(InvalidInput, match=missing.value):
            board.apply(cpu_khz=board.ladder_khz()[0], accelerator=missing)


def test_every_accelerator_on_offer_can_be_applied_and_left_again(bench):
    top_khz = bench.board.ladder_khz()[-1]
    bench.board.apply(cpu_khz=top_khz, accelerator=EdgeAccelerator.OFF)
    before = bench.settings()
    for accelerator in (*bench.board.accelerators(), EdgeAccelerator.OFF):
        assert bench.board.apply(cpu_khz=top_khz, accelerator=accelerator).accelerator is accelerator

    assert bench.settings() == before


def test_work_gives_what_it_gives(board):
    assert board.execute(WORK, lambda: "answer") == "answer"


def test_what_work_raises_goes_through_and_the_board_goes_on(board):
    def broken():
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        board.execute(WORK, broken)

    assert board.execute(WORK, lambda: 1) == 1


def test_work_runs_once(board):
    ran = []

    board.execute(WORK, lambda: ran.append(1))

    assert ran == [1]


def test_fewer_threads_than_one_are_refused(board):
    with pytest.raises(InvalidInput, match="0"):
        board.execute(WORK, lambda: None, threads=0)


def test_the_meter_can_be_read_while_work_runs(board):
    assert board.execute(WORK, board.meter.read).watts > 0


def test_restoring_puts_everything_back_and_may_be_repeated(bench):
    before = bench.settings()
    for khz in bench.board.ladder_khz():
        bench.board.apply(cpu_khz=khz, accelerator=EdgeAccelerator.OFF)

        bench.board.restore()
        bench.board.restore()

        assert bench.settings() == before


def test_restoring_a_board_that_nobody_changed_changes_nothing(bench):
    before = bench.settings()

    bench.board.restore()

    assert bench.settings() == before


def test_a_board_tells_its_name_its_provenance_and_what_slows_it_down(board):
    assert board.name
    assert isinstance(board.provenance, Provenance)
    assert board.slowdown().now == ()


def test_a_board_holds_what_was_applied_and_tells_it(board):
    for khz in board.ladder_khz():
        board.apply(cpu_khz=khz, accelerator=EdgeAccelerator.OFF)

        assert board.holds(khz)
        assert board.running_khz() == khz
        assert not any(board.holds(other) for other in board.ladder_khz() if other != khz)


def test_a_board_that_nothing_slows_down_says_so_and_its_temperature_if_it_can(board):
    before = board.slowdown()

    assert board.slowdown().since(before) == ()
    assert board.temperature_c() is None or -40 < board.temperature_c() < 150
