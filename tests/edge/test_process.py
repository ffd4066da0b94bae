"""The agent as a process: it starts without broker and backend, says in one line why it cannot, and ends cleanly."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from edge.settings import EdgeSettings
from protocol import settings
from protocol.errors import InvalidInput
from protocol.signing import generate_private_key, public_key_of

pytestmark = pytest.mark.system

KEY = public_key_of(generate_private_key())


def text(tmp_path: Path, **change: object) -> str:
    values = {
        "device": "pi-1",
        "data_dir": str(tmp_path / "data"),
        "backend_url": "http://127.0.0.1:9",
        "device_token": "t",
        "broker_url": "mqtt://127.0.0.1:9",
        "operator_token": "o",
        "operator_public_key": KEY,
        **change,
    }
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())


@pytest.fixture
def config(tmp_path):
    def writing(**change) -> Path:
        path = tmp_path / "edge.toml"
        path.write_text(text(tmp_path, **change))
        return path

    return writing


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(config: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edge", "--config", str(config)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_everything_it_started(config, wait_until, number):
    port = free_port()
    agent = started(config(port=port))
    try:
        line = next(line for line in agent.stderr if "serves on" in line or "dynasplit-edge:" in line)
        assert f"http://127.0.0.1:{port}" in line
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=20) as reply:
            assert json.load(reply) == {"ready": True}
        children = psutil.Process(agent.pid).children(recursive=True)
        agent.send_signal(number)
        agent.stderr.read()
        assert agent.wait(20) == 0
        assert len(children) >= 1
        wait_until(lambda: not any(alive(child) for child in children))
    finally:
        agent.kill()
        agent.wait()
        agent.stderr.close()


INTERRUPTED_WHILE_IT_LOADS = """
import importlib.abc, os, signal, sys

class Interrupting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "edge.assembly.agent":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from edge.__main__ import main
main([])
"""


def test_an_interrupt_before_anything_is_loaded_ends_it_without_a_traceback():
    command = [sys.executable, "-c", INTERRUPTED_WHILE_IT_LOADS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def refusal(config: Path) -> str:
    command = [sys.executable, "-m", "edge", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def test_a_port_in_use_is_named_in_one_line(config):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} on 127.0.0.1 is in use" in refusal(config(port=port))


def test_a_bad_setting_is_named_in_one_line(config):
    assert "'min_cut' must lie between 0" in refusal(config(min_cut=-1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"device": "a/b"}, "device"),
        ({"account": "mine"}, "account"),
        ({"broker_url": "tcp://x"}, "broker URL"),
        ({"backend_url": "localhost"}, "backend_url"),
        ({"backend_url": "http://[::1"}, "backend_url"),
        ({"backend_url": "http://host:99999"}, "backend_url"),
        ({"backend_url": "http://host/x?y"}, "backend_url.*before any"),
        ({"backend_url": "http://host/x#z"}, "backend_url.*before any"),
        ({"backend_url": "http://host:http"}, "backend_url"),
        ({"operator_public_key": "ä"}, "operator_public_key"),
        ({"operator_public_key": "short"}, "operator_public_key"),
        ({"operator_token": " "}, "operator_token"),
        ({"operator_token": "ab cd"}, "operator_token.*' ' as character 3"),
        ({"device_token": "ab\ncd"}, "device_token"),
        ({"device_token": "ю"}, "device_token"),
        ({"port": 70_000}, "port"),
        ({"threads": 0}, "threads"),
        ({"host": ""}, "host"),
        ({"host": "a\0b"}, "host"),
        ({"data_dir": ""}, "data_dir"),
        ({"data_dir": "a\0b"}, "data_dir"),
        ({"socket": ""}, "socket"),
        ({"run_dir": ""}, "run_dir"),
        ({"sysfs": ""}, "sysfs"),
        ({"ca_file": ""}, "ca_file"),
        ({"outbox_max_bytes": 1000}, "outbox_max_bytes"),
        ({"max_bytes_per_day": -1}, "max_bytes_per_day"),
        ({"min_accuracy": 1.5}, "min_accuracy"),
        ({"violation_rate": 0}, "violation_rate"),
        ({"violation_rate": 0.5}, "violation_rate"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(config, change, reason):
    with pytest.raises(InvalidInput, match=reason):
        settings.load(EdgeSettings, toml=config(**change), environment={})


def test_a_password_in_the_backend_s_address_is_refused_and_not_printed(config):
    with pytest.raises(InvalidInput, match="'backend_url' holds a name or a password") as refused:
        settings.load(EdgeSettings, toml=config(backend_url="http://user:hush@host/x?y#z"), environment={})
    assert "hush" not in str(refused.value)


def test_tokens_do_not_show_in_the_settings_text(config):
    loaded = settings.load(EdgeSettings, toml=config(operator_token="very-secret"), environment={})
    assert "very-secret" not in repr(loaded)


def test_a_start_that_is_refused_leaves_nothing_behind(config, tmp_path):
    assert "nonesuch" in refusal(config(board="nonesuch", port=0))
    assert not (tmp_path / "data").exists()
