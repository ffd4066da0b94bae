from pathlib import Path

import pytest

from hardware.boards import device_model
from hardware.device_model import DeviceModel
from hardware.power.points import PowerPoint, PowerPoints
from hardware.profile import profile_names, profile_of
from protocol.errors import InvalidInput
from protocol.work import Work

TOML = """
ladder_khz = [500_000, 1_000_000]
threads = 1
ns_per_byte = 2
[cycles_per_mac]
int8 = 0.5
[[power]]
cpu_khz = 500_000
busy_w = 3.0
waiting_w = 2
[[power]]
cpu_khz = 1_000_000
busy_w = 4.0
waiting_w = 2.5
"""


@pytest.fixture
def model() -> DeviceModel:
    return DeviceModel.from_toml(TOML, what="board test")


def test_computing_scales_with_the_clock_and_memory_does_not(model):
    work = Work({"conv/int8": 1_000_000, "dense/int8": 1_000_000}, weight_bytes=300_000, activation_bytes=200_000)

    assert model.time_ms(work, 500_000) == pytest.approx(2.0 + 1.0)
    assert model.time_ms(work, 1_000_000) == pytest.approx(1.0 + 1.0)


def test_no_work_takes_no_time(model):
    assert model.time_ms(Work(), 500_000) == 0


def test_work_in_an_element_type_without_a_figure_is_refused_by_name(model):
    with pytest.raises(InvalidInput, match="conv/int16"):
        model.time_ms(Work({"conv/int16": 1}), 500_000)


@pytest.mark.parametrize(
    ("cpu_khz", "busy_w", "waiting_w"),
    [(500_000, 3.0, 2.0), (750_000, 3.5, 2.25), (1_000_000, 4.0, 2.5), (400_000, 3.0, 2.0), (2_000_000, 4.0, 2.5)],
)
def test_power_lies_on_straight_lines_between_the_figures(model, cpu_khz, busy_w, waiting_w):
    assert model.power.busy_w(cpu_khz) == pytest.approx(busy_w)
    assert model.power.waiting_w(cpu_khz) == pytest.approx(waiting_w)


def test_a_file_gives_exactly_what_it_says(model):
    assert model == DeviceModel(
        ladder_khz=(500_000, 1_000_000),
        threads=1,
        cycles_per_mac={"int8": 0.5},
        ns_per_byte=2.0,
        power=PowerPoints((PowerPoint(500_000, 3.0, 2.0), PowerPoint(1_000_000, 4.0, 2.5))),
    )


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[500_000, 1_000_000]", "[1_000_000, 500_000]", "ladder_khz"),
        ("[500_000, 1_000_000]", "[]", "ladder_khz"),
        ("[500_000, 1_000_000]", '["fast"]', "ladder_khz"),
        ("ns_per_byte = 2", "", "ns_per_byte"),
        ("int8 = 0.5", "int8 = 'slow'", "int8"),
        ("busy_w = 3.0", "", "busy_w"),
        ("[[power]]\ncpu_khz = 1_000_000", "[[power]]\ncpu_khz = 500_000", "power"),
        ("threads = 1", "threads =", "TOML"),
        ("int8 = 0.5", "int8 = -0.5", "int8"),
        ("threads = 1", "threads = 0", "threads"),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(old, new, named):
    with pytest.raises(InvalidInput, match=named):
        DeviceModel.from_toml(TOML.replace(old, new), what="board test")


def test_boards_whose_source_is_known_tell_how_long_work_takes():
    work = Work(macs={"conv/int8": 1_000_000}, activation_bytes=1000)
    times = {
        name: profile.work.time_ms(work, 1_000_000)
        for name in profile_names()
        if (profile := profile_of(name, Path("nowhere"))).work
    }

    assert set(times) == {"pi3", "pi4", "zero2w"}
    assert times["pi4"] == device_model("emulated-pi4").time_ms(work, 1_000_000)
    assert times["pi3"] == times["zero2w"] > times["pi4"]
