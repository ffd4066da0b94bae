"""The boards' data files, and how a board is recognised."""

import logging

import pytest

from hardware.board import ClockNotApplied
from hardware.boards import device_model, estimated_meter, open_board
from hardware.clock import VirtualClock
from hardware.fakes.kernel_trees import KernelTree, make_pi3, make_pi4, make_pi5, make_zero2w
from hardware.fakes.lies import capped_at
from hardware.power.estimated import EstimatedMeter
from hardware.power.points import PowerPoint, PowerPoints
from hardware.power.scripted import ScriptedMeter, Step
from hardware.profile import BoardProfile, profile_names, profile_of, recognised
from protocol.configuration import EdgeAccelerator, Provenance
from protocol.errors import InvalidInput, NotFound
from protocol.work import Work

TOML = """
title = "Test board"
compatible = ["test,board"]
clocks_khz = [600_000]
power_source = "a paper"
[[power]]
cpu_khz = 600_000
busy_w = 3
waiting_w = 2
"""


def opened(tree: KernelTree, name: str = "linux"):
    clock = VirtualClock()
    meter = ScriptedMeter([Step(0, 3.0)], clock=clock)
    return open_board(name, meter=meter, sys=tree.sys, write=tree.write, clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize(
    ("make", "name"), [(make_pi3, "pi3"), (make_pi4, "pi4"), (make_pi5, "pi5"), (make_zero2w, "zero2w")]
)
def test_a_raspberry_pi_is_recognised_by_its_device_tree(tmp_path, make, name):
    assert opened(make(tmp_path)).name == name


@pytest.mark.parametrize(("chassis", "name"), [("10\n", "x86-laptop"), ("3\n", "linux"), ("\n", "linux")])
def test_a_laptop_is_recognised_by_its_case(tmp_path, chassis, name):
    folder = tmp_path / "class/dmi/id"
    folder.mkdir(parents=True)
    (folder / "chassis_type").write_text(chassis)

    assert recognised(tmp_path).name == name


def test_a_board_that_nobody_knows_is_a_linux_machine(tmp_path):
    tree = make_pi4(tmp_path)
    (tmp_path / "firmware/devicetree/base/compatible").write_bytes(b"acme,board\0acme,soc\0")

    board = opened(tree)

    assert board.name == "linux"
    assert board.ladder_khz()[0] == 600_000


def test_a_name_that_contains_a_boards_name_is_not_that_board(tmp_path):
    make_pi4(tmp_path)
    (tmp_path / "firmware/devicetree/base/compatible").write_bytes(b"raspberrypi,4-model-b-plus\0")

    assert recognised(tmp_path).name == "linux"


def test_a_profiles_name_forces_it(tmp_path):
    assert opened(make_pi4(tmp_path), "x86-laptop").name == "x86-laptop"


def test_a_clock_that_the_board_never_runs_at_is_not_on_its_ladder(tmp_path):
    board = opened(make_pi5(tmp_path, lowest_mhz=1000))

    assert board.ladder_khz() == tuple(range(1_500_000, 2_400_001, 100_000))


def test_a_forced_profile_that_cannot_be_true_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"Raspberry Pi 5 runs at 1500000 kHz or more.*600000 to 1000000"):
        opened(make_zero2w(tmp_path), "pi5")


def test_clocks_that_the_board_should_have_and_lacks_are_logged(tmp_path, caplog):
    tree = make_pi4(tmp_path)
    table = tree.cpufreq.folder / "scaling_available_frequencies"
    table.write_text("600000 1500000 1800000\n")

    with caplog.at_level(logging.WARNING):
        opened(tree)

    assert "Raspberry Pi 4" in caplog.text
    assert "700000" in caplog.text


@pytest.mark.parametrize("make", [make_pi3, make_pi4, make_pi5, make_zero2w])
def test_a_board_as_it_is_sold_gives_no_warning(tmp_path, make, caplog):
    with caplog.at_level(logging.WARNING):
        opened(make(tmp_path))

    assert not caplog.records


def test_an_unknown_profile_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(NotFound, match="pi3, pi4, pi5"):
        profile_of("pi9", tmp_path)


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_can_be_read_and_is_told_apart(tmp_path, name):
    profile = profile_of(name, tmp_path)
    others = [profile_of(other, tmp_path) for other in profile_names() if other != name]

    assert profile.title
    assert profile.compatible or profile.chassis
    assert list(profile.clocks_khz) == sorted(set(profile.clocks_khz))
    assert not {*profile.compatible, *profile.chassis} & {
        mark for other in others for mark in (*other.compatible, *other.chassis)
    }


@pytest.mark.parametrize("name", profile_names())
def test_power_has_a_source_or_is_left_out(tmp_path, name):
    profile = profile_of(name, tmp_path)

    assert bool(profile.power) == bool(profile.power_source)


def test_a_pi4s_power_is_that_of_the_published_trials(tmp_path):
    assert profile_of("pi4", tmp_path).power == device_model("emulated-pi4").power


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('title = "Test board"', "", "title"),
        ('power_source = "a paper"', "", "power_source"),
        ('["test,board"]', "7", "compatible"),
        ("[600_000]", '["fast"]', "clocks_khz"),
        ("busy_w = 3", "", "busy_w"),
        ("[[power]]", "power = 3 #", "power"),
        ("title =", "title", "TOML"),
    ],
)
def test_a_broken_profile_is_refused_with_what_is_wrong(old, new, named):
    with pytest.raises(InvalidInput, match=f"board test.*{named}"):
        BoardProfile.from_toml("test", TOML.replace(old, new))


class TellTale(EstimatedMeter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        super().__init__(PowerPoints((PowerPoint(600_000, 3.0, 2.0),)), cpu_khz=600_000)

    def busy(self, cpu_khz: int) -> None:
        self.told.append(("busy", cpu_khz))

    def waiting(self, cpu_khz: int) -> None:
        self.told.append(("waiting", cpu_khz))


def estimated(tree: KernelTree):
    clock, meter = VirtualClock(), TellTale()
    board = open_board("linux", meter=meter, sys=tree.sys, write=tree.write, clock=clock, sleep=clock.sleep)
    return board, meter


def test_a_meter_that_measures_nothing_is_told_what_the_board_does(tmp_path):
    board, meter = estimated(make_pi4(tmp_path))
    board.apply(cpu_khz=800_000, accelerator=EdgeAccelerator.OFF)
    board.execute(Work(), lambda: meter.told.append(("work", 0)))

    assert meter.told == [
        ("waiting", 600_000),
        ("waiting", 800_000),
        ("busy", 800_000),
        ("work", 0),
        ("waiting", 800_000),
    ]


def test_such_a_meter_learns_of_the_clock_that_runs_when_another_was_wanted(tmp_path):
    tree = make_pi4(tmp_path)
    board, meter = estimated(tree)
    tree.cpufreq.lie = capped_at(1_000_000)

    with pytest.raises(ClockNotApplied):
        board.apply(cpu_khz=1_800_000, accelerator=EdgeAccelerator.OFF)

    assert meter.told[-1] == ("waiting", 1_000_000)


def test_work_that_fails_leaves_the_meter_waiting(tmp_path):
    board, meter = estimated(make_pi4(tmp_path))

    with pytest.raises(ZeroDivisionError):
        board.execute(Work(), lambda: 1 / 0)

    assert meter.told[-1] == ("waiting", 600_000)


def test_a_pi4_is_estimated_by_the_published_figures(tmp_path):
    tree, clock = make_pi4(tmp_path), VirtualClock()
    meter = estimated_meter(profile_of("linux", tmp_path), clock=clock)
    board = open_board("linux", meter=meter, sys=tmp_path, write=tree.write, clock=clock, sleep=clock.sleep)
    board.apply(cpu_khz=1_000_000, accelerator=EdgeAccelerator.OFF)

    during = board.execute(Work(), board.meter.read)

    assert board.meter.provenance is Provenance.ESTIMATED
    assert (during.watts, board.meter.read().watts) == (3.37, 3.06)


def test_an_estimate_that_nobody_can_make_is_refused(tmp_path):
    with pytest.raises(NotFound, match=r"no source is known to us for what a Raspberry Pi 5 draws.*pi4"):
        estimated_meter(profile_of("pi5", tmp_path))
