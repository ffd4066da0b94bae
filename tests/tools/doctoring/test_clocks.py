"""The doctor looks at board and clocks, and sets nothing."""

from __future__ import annotations

import errno
import os

import pytest

from hardware.cpufreq import CpuFrequency
from hardware.fakes.kernel_trees import make_pi4, make_pi5, make_zero2w
from hardware.found_clocks import FILE, FoundClocksFile
from tools.doctoring.clocks import check_clocks
from tools.doctoring.device import Device
from tools.doctoring.findings import Severity


@pytest.fixture
def sys(tmp_path):
    return tmp_path / "sys"


@pytest.fixture
def look(make_settings):
    def looking(*, agent_runs: bool = False, **changed: object):
        return list(check_clocks(Device.of(make_settings(**changed)), agent_runs=agent_runs))

    return looking


def worst(findings):
    return max(findings, key=lambda finding: finding.severity)


def test_a_pi_is_recognised_with_its_ladder_and_how_its_clock_stands(sys, look):
    make_pi4(sys)

    findings = look()

    assert worst(findings).severity is Severity.WELL
    seen = " | ".join(finding.seen for finding in findings)
    assert "Raspberry Pi 4 (recognised)" in seen
    assert "13 clocks, 600000 to 1800000 kHz" in seen
    assert "may set it" in seen
    assert "governor ondemand" in seen
    assert "held by the governor userspace" in seen


def test_nothing_is_changed(sys, look, tmp_path):
    tree = make_pi4(sys)
    before = tree.cpufreq.settings()

    look()

    assert tree.cpufreq.settings() == before
    assert not (tmp_path / "run").exists()


def test_without_the_governor_userspace_an_exact_clock_is_held_by_limits(sys, look):
    make_zero2w(sys)

    assert "limits (min = max)" in look()[-1].seen


def test_clocks_that_a_pi_5_never_runs_at_are_told(sys, look):
    make_pi5(sys, lowest_mhz=600)

    assert "9 lower ones on offer are never reached" in look()[1].seen


def test_a_right_that_is_missing_is_an_error_that_names_the_rules(sys, look, monkeypatch):
    make_pi4(sys)
    opened = os.open

    def refusing(path, flags, *more, **named):
        if str(path).endswith("scaling_governor") and flags & os.O_WRONLY:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refusing)

    refused = worst(look())

    assert refused.severity is Severity.ERROR
    assert "may not set it" in refused.seen
    assert "70-dynasplit.rules" in refused.advice


def test_a_clock_that_a_killed_agent_left_is_a_warning_that_says_how_to_put_it_back(sys, look, tmp_path):
    tree = make_pi4(sys)
    CpuFrequency(sys, found=FoundClocksFile(tmp_path / "run" / FILE), write=tree.write).hold(900_000)

    left = [finding for finding in look() if finding.severity is Severity.WARNING]

    assert len(left) == 2
    assert "policy0 had ondemand" in left[1].seen
    assert all("--restore" in finding.advice for finding in left)


def test_what_a_running_agent_holds_is_its_own(sys, look, tmp_path):
    tree = make_pi4(sys)
    CpuFrequency(sys, found=FoundClocksFile(tmp_path / "run" / FILE), write=tree.write).hold(900_000)

    assert worst(look(agent_runs=True)).severity is Severity.WELL


def test_a_damaged_note_is_a_warning(sys, look, tmp_path):
    make_pi4(sys)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / FILE).write_text("{")

    assert worst(look()).severity is Severity.WARNING


def test_a_machine_without_cpufreq_is_an_error_only_where_it_is_to_serve_as_a_board(sys, look):
    sys.mkdir()

    assert worst(look()).severity is Severity.ERROR
    assert worst(list(check_clocks(Device.of(None, sys=sys)))).severity is Severity.WARNING


def test_limits_that_leave_no_clock_are_an_error(sys, look):
    make_pi4(sys)

    refused = worst(look(min_clock_khz=2_000_000))

    assert refused.severity is Severity.ERROR
    assert "min_clock_khz" in refused.advice


def test_an_unknown_board_is_an_error_and_an_emulated_one_is_said_to_be(look):
    assert worst(look(board="toaster")).severity is Severity.ERROR
    (emulated,) = look(board="emulated-pi4")
    assert "emulated" in emulated.seen
