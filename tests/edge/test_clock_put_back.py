"""The agent as a process on a board with clocks: however it ends, the clock is as it was found."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.fakes.cpufreq import FakeCpufreq
from models.bundle import Bundle
from models.zoo import load_digits_vgg
from protocol.configuration import Configuration
from protocol.signing import generate_private_key, public_key_of
from protocol.tensors import Tensor
from tools.agent import Agent

pytestmark = pytest.mark.system

LOW_KHZ, HIGH_KHZ = 600_000, 1_800_000


class Device:
    """A folder that is a device: its sysfs, its settings, its bundle. Agents are started on it."""

    def __init__(self, folder: Path, bundle: Bundle) -> None:
        self.sysfs, self._bundle = folder / "sys", bundle
        FakeCpufreq(self.sysfs, (LOW_KHZ, HIGH_KHZ), table=False)  # for such a driver plain files are enough
        sensor = self.sysfs / "class/hwmon/hwmon0"
        sensor.mkdir(parents=True)
        (sensor / "name").write_text("ina219\n")
        (sensor / "power1_input").write_text("3000000\n")
        shutil.copytree(bundle.folder, folder / "data" / "bundles" / bundle.digest)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config = folder / "edge.toml"
        values = {
            "device": "pi-1",
            "data_dir": str(folder / "data"),
            "run_dir": str(folder / "run"),
            "sysfs": str(self.sysfs),
            "board": "linux",
            "port": self.port,
            "backend_url": "http://127.0.0.1:9",
            "device_token": "t",
            "broker_url": "mqtt://127.0.0.1:9",
            "operator_token": "o",
            "operator_public_key": public_key_of(generate_private_key()),
        }
        self.config.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items()))
        self.processes: list[subprocess.Popen[str]] = []

    def clock(self) -> dict[str, str]:
        folder = self.sysfs / "devices/system/cpu/cpufreq/policy0"
        names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
        return {name: (folder / name).read_text().strip() for name in names}

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "edge", "--config", str(self.config)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        assert process.stderr
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "serves on" in line:
                return process
        raise AssertionError("".join(lines))

    def serve(self, khz: int) -> None:
        """One request, all of it on the device at a clock."""
        agent, manifest = Agent(f"http://127.0.0.1:{self.port}", token="o"), self._bundle.manifest
        agent.load(manifest.network, self._bundle.digest)
        tensors = (Tensor(manifest.inputs[0].name, load_digits_vgg().input(7)),)
        pinned = Configuration(manifest.operator_count, khz)
        answer = agent.infer(manifest.network, tensors, {"configuration": pinned.to_json()})
        assert answer.configuration.cpu_khz == khz

    def restore(self) -> int:
        command = [sys.executable, "-m", "edge", "--restore", "--config", str(self.config)]
        return subprocess.run(command, timeout=60, check=False).returncode

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()


@pytest.fixture
def device(tmp_path: Path, digits: Bundle) -> Iterator[Device]:
    made = Device(tmp_path, digits)
    yield made
    made.close()


def ended(process: subprocess.Popen[str], number: int) -> int:
    process.send_signal(number)
    assert process.stderr
    process.stderr.read()
    return process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_puts_the_clock_back(device, number):
    found = device.clock()
    agent = device.start()
    device.serve(LOW_KHZ)
    assert device.clock()["scaling_max_freq"] == str(LOW_KHZ)

    assert ended(agent, number) == 0

    assert device.clock() == found


def test_after_a_kill_the_command_puts_it_back(device):
    found = device.clock()
    agent = device.start()
    device.serve(LOW_KHZ)

    assert ended(agent, signal.SIGKILL) == -signal.SIGKILL

    assert device.clock() != found
    assert device.restore() == 0
    assert device.clock() == found
    assert device.restore() == 0


def test_after_a_kill_the_next_agent_puts_it_back(device):
    found = device.clock()
    first = device.start()
    device.serve(LOW_KHZ)
    ended(first, signal.SIGKILL)

    second = device.start()
    device.serve(HIGH_KHZ)
    assert ended(second, signal.SIGTERM) == 0

    assert device.clock() == found
