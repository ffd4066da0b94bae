"""A processor that runs at another clock than it was told to is found out, however it hides it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.board import Board, ClockNotApplied
from hardware.boards import open_board
from hardware.clock import VirtualClock
from hardware.fakes.kernel_trees import KernelTree, make_pi3, make_pi4, make_pi5, make_zero2w
from hardware.fakes.lies import Lie, at_least, capped_at, one_step_lower, stuck_at
from hardware.power.scripted import ScriptedMeter, Step
from protocol.configuration import EdgeAccelerator

MAKERS = [make_pi3, make_pi4, make_pi5, make_zero2w]
LIES = {
    "stuck at the lowest": lambda ladder: stuck_at(ladder[0]),
    "stuck at the highest": lambda ladder: stuck_at(ladder[-1]),
    "one step lower": lambda _ladder: one_step_lower,
    "capped by heat": lambda ladder: capped_at(ladder[-2]),
    "never below the middle": lambda ladder: at_least(ladder[len(ladder) // 2]),
}


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def tree(request, tmp_path) -> KernelTree:
    return request.param(tmp_path)


@pytest.fixture
def board(tree) -> Board:
    return opened(tree)


def opened(tree: KernelTree) -> Board:
    clock = VirtualClock()
    meter = ScriptedMeter([Step(0, 3.0)], clock=clock)
    return open_board("linux", meter=meter, sys=tree.sys, write=tree.write, clock=clock, sleep=clock.sleep)


def apply(board: Board, khz: int) -> None:
    board.apply(cpu_khz=khz, accelerator=EdgeAccelerator.OFF)


@pytest.mark.exhaustive(sample=10)
@pytest.mark.parametrize("told_by_kernel", [False, True], ids=["the kernel knows", "only the hardware knows"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_no_clock_is_taken_for_applied_that_is_not(tree, board, lie: Callable[..., Lie], told_by_kernel):
    ladder = board.ladder_khz()
    lying = tree.cpufreq
    lying.lie, lying.told_by_kernel = lie(ladder), told_by_kernel

    for khz in ladder:
        if lying.lie(khz, ladder) == khz:
            apply(board, khz)
        else:
            with pytest.raises(ClockNotApplied, match=f"{khz} kHz but"):
                apply(board, khz)


def test_a_clock_that_is_taken_away_later_is_noticed(tree, board):
    top_khz = board.ladder_khz()[-1]
    apply(board, top_khz)
    tree.cpufreq.lie = capped_at(board.ladder_khz()[0])
    tree.cpufreq.settle()

    assert not board.holds(top_khz)
    assert board.running_khz() == board.ladder_khz()[0]


@pytest.mark.parametrize(("wanted_khz", "runs_khz"), [(800_000, 1_800_000), (1_800_000, 800_000), (600_000, 1_600_000)])
def test_a_clock_whose_digits_stand_in_another_is_not_taken_for_it(tmp_path: Path, wanted_khz, runs_khz):
    tree = make_pi4(tmp_path)
    board = opened(tree)
    tree.cpufreq.lie = stuck_at(runs_khz)

    with pytest.raises(ClockNotApplied, match=f"runs at {runs_khz} kHz"):
        apply(board, wanted_khz)


def test_a_liar_is_put_back_all_the_same(tree, board):
    found = tree.cpufreq.settings()
    tree.cpufreq.lie = one_step_lower
    with pytest.raises(ClockNotApplied):
        apply(board, board.ladder_khz()[-1])

    board.restore()

    assert tree.cpufreq.settings() == found


def test_a_pi5_that_is_asked_for_less_than_it_can_is_found_out(tmp_path):
    tree = make_pi5(tmp_path, lowest_mhz=1000)
    (tmp_path / "firmware/devicetree/base/compatible").write_bytes(b"acme,copy\0")

    with pytest.raises(ClockNotApplied, match="1000000 kHz but runs at 1500000 kHz"):
        apply(opened(tree), 1_000_000)
