"""The doctor opens and reads the power meter that the agent would take."""

from __future__ import annotations

import pytest

from hardware.fakes.kernel_trees import make_pi4, make_pi5
from tools.doctoring.device import Device
from tools.doctoring.findings import Severity
from tools.doctoring.power import check_power

pytestmark = pytest.mark.system


def plug_in_sensor(sys, *, watts="2500000"):
    folder = sys / "class/hwmon/hwmon9"
    folder.mkdir(parents=True)
    (folder / "name").write_text("ina219\n")
    (folder / "power1_input").write_text(f"{watts}\n")


def test_the_sensor_that_is_found_is_read(tmp_path, make_settings):
    make_pi4(tmp_path / "sys")
    plug_in_sensor(tmp_path / "sys")

    (found,) = check_power(Device.of(make_settings()))

    assert found.severity is Severity.WELL
    assert "hwmon9 (ina219" in found.seen
    assert "2.50 W, measured" in found.seen


def test_a_sensor_that_does_not_answer_is_an_error(tmp_path, make_settings):
    make_pi4(tmp_path / "sys")
    plug_in_sensor(tmp_path / "sys", watts="no number")
    now_s = iter(range(0, 1000, 5))

    (found,) = check_power(Device.of(make_settings()), clock=lambda: next(now_s), sleep=lambda _seconds: None)

    assert found.severity is Severity.ERROR
    assert "does not answer" in found.seen


def test_a_command_is_read_and_not_repeated_since_it_may_hold_a_password(tmp_path, make_settings):
    make_pi4(tmp_path / "sys")

    (found,) = check_power(Device.of(make_settings(meter="exec:sh -c 'echo 3.5 # hunter2'")))

    assert "3.50 W" in found.seen
    assert "hunter2" not in found.seen


def test_a_board_whose_power_is_known_is_estimated_with_a_warning(tmp_path, make_settings):
    make_pi4(tmp_path / "sys")

    (found,) = check_power(Device.of(make_settings()))
    (wanted,) = check_power(Device.of(make_settings(meter="estimated")))

    assert found.severity is Severity.WARNING
    assert "estimated" in found.seen
    assert wanted.severity is Severity.WELL


def test_no_meter_at_all_is_an_error_only_where_the_agent_needs_one(tmp_path, make_settings):
    make_pi5(tmp_path / "sys")

    (needed,) = check_power(Device.of(make_settings()))
    (unasked,) = check_power(Device.of(None, sys=tmp_path / "sys"))

    assert needed.severity is Severity.ERROR
    assert "'meter'" in needed.advice
    assert unasked.severity is Severity.WARNING


def test_an_emulated_board_has_its_own(make_settings):
    assert list(check_power(Device.of(make_settings(board="emulated-pi4")))) == []
