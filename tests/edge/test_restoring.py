"""`dynasplit-edge --restore`: what a supervisor runs after an agent that was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.process import main
from edge.restoring import restore
from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.clock import VirtualClock
from hardware.cpufreq import CpuFrequency
from hardware.fakes.cpufreq import FakeCpufreq
from hardware.found_clocks import FoundClocksFile
from protocol.signing import generate_private_key, public_key_of


@pytest.fixture
def sysfs(tmp_path) -> Path:
    return tmp_path / "sys"


@pytest.fixture
def run_dir(tmp_path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def edge_config(tmp_path):
    """Settings with which an agent would start."""

    def writing(**change: str) -> Path:
        values = {
            "device": "pi-1",
            "data_dir": str(tmp_path / "data"),
            "backend_url": "http://127.0.0.1:9",
            "device_token": "t",
            "broker_url": "mqtt://127.0.0.1:9",
            "operator_token": "o",
            "operator_public_key": public_key_of(generate_private_key()),
            **change,
        }
        path = tmp_path / "edge.toml"
        path.write_text("\n".join(f'{name} = "{value}"' for name, value in values.items()))
        return path

    return writing


@pytest.fixture
def environment(sysfs, run_dir) -> dict[str, str]:
    return {"DYNASPLIT_RUN_DIR": str(run_dir), "DYNASPLIT_SYSFS": str(sysfs)}


def found(sysfs: Path) -> dict[str, str]:
    """What a user may change, as it stands in the files."""
    folder = sysfs / "devices/system/cpu/cpufreq/policy0"
    return {
        name: (folder / name).read_text().strip()
        for name in ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
    }


@pytest.fixture
def killed_agent(sysfs, run_dir) -> dict[str, str]:
    """One that held a clock and was killed: what it had found. Plain files are enough for a driver without a table."""
    FakeCpufreq(sysfs, (600_000, 1_800_000), table=False)
    before, clock = found(sysfs), VirtualClock()
    note = FoundClocksFile(run_dir / "cpufreq.json")
    CpuFrequency(sysfs, found=note, clock=clock, sleep=clock.sleep).hold(600_000)
    assert found(sysfs) != before
    return before


def test_nothing_to_be_put_back_is_well(environment, capsys):
    assert restore(None, environment=environment) == 0
    assert capsys.readouterr().err == ""


def test_what_a_killed_agent_left_is_put_back_once(environment, sysfs, run_dir, killed_agent):
    assert restore(None, environment=environment) == 0

    assert found(sysfs) == killed_agent
    assert list(run_dir.iterdir()) == []
    assert restore(None, environment=environment) == 0


def test_it_finds_the_places_in_the_agents_settings(tmp_path, sysfs, run_dir, killed_agent, edge_config):
    config = edge_config(run_dir=str(run_dir), sysfs=str(sysfs))

    assert restore(config, environment={}) == 0
    assert found(sysfs) == killed_agent


@pytest.mark.parametrize("text", ["board = ", "colour = 'red'", "port = 70000"])
def test_settings_that_keep_the_agent_from_starting_do_not_keep_it_from_putting_back(
    tmp_path, environment, sysfs, killed_agent, text, caplog
):
    config = tmp_path / "edge.toml"
    config.write_text(text)

    assert restore(config, environment=environment) == 0
    assert found(sysfs) == killed_agent
    assert "edge.toml" in caplog.text or "setting" in caplog.text


def test_a_damaged_note_is_told_in_plain_lines(environment, run_dir, capsys):
    run_dir.mkdir()
    (run_dir / "cpufreq.json").write_text('{"schema": 1, "policies": {"policy0"')

    assert restore(None, environment=environment) == 2

    lines = capsys.readouterr().err.splitlines()
    assert "not put back" in lines[0]
    assert "cpufreq.json" in lines[0]
    assert "reboot" in lines[1]


def test_a_machine_that_lost_its_clocks_is_told(environment, sysfs, killed_agent, capsys):
    (sysfs / "devices/system/cpu/cpufreq/policy0").rename(sysfs / "gone")

    assert restore(None, environment=environment) == 2
    assert "holds no policy" in capsys.readouterr().err


def test_the_command_needs_no_settings(monkeypatch, environment, sysfs, killed_agent):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert main(["--restore"]) == 0
    assert found(sysfs) == killed_agent


@pytest.fixture
def cut_port(tmp_path, run_dir) -> EmulatedUsb:
    """A hub port that a killed agent left without power."""
    usb = EmulatedUsb(tmp_path / "usb")
    usb.root.mkdir()
    run_dir.mkdir(exist_ok=True)
    (run_dir / "edgetpu-port").write_text("2 1\n")
    return usb


def test_a_port_without_power_gets_it_back_once(environment, run_dir, cut_port, killed_agent, sysfs):
    assert restore(None, environment=environment, run=cut_port.uhubctl) == 0

    assert cut_port.plugged
    assert list(run_dir.iterdir()) == []
    assert found(sysfs) == killed_agent


def test_a_port_that_stays_without_power_is_said_and_kept_in_mind(environment, run_dir, cut_port, capsys):
    assert restore(None, environment=environment, run=lambda _: (1, "No compatible devices detected!")) == 4

    assert "the Edge TPU's port stays without power" in capsys.readouterr().err
    assert (run_dir / "edgetpu-port").exists()
