"""The guide's commands for the broker, run as they stand there, on a machine's own Mosquitto."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.errors import ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.calls import check_login

pytestmark = pytest.mark.mosquitto

ROOT = Path(__file__).parents[3]
SETTINGS = """
pid_file {run}/mosquitto.pid
persistence true
persistence_location {data}/
log_dest file {run}/mosquitto.log
include_dir {settings}/conf.d
user {user}
"""
"""Debian's, which the guide's are added to."""
NOT_HERE = ("export", "sudo apt-get", "sudo chown", "sudo systemctl", "sudo install", ".venv/bin/dynasplit certs")
"""Commands that would change this machine, and what the test does itself."""
PATIENCE_S = 30.0


def guide() -> str:
    """The commands under the broker's heading that only write files."""
    section = (ROOT / "docs" / "guide" / "cloud.md").read_text().partition("**The broker**")[2].partition("\n**")[0]
    commands = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    assert any("/etc/mosquitto" in command for command in commands)
    return "\n".join(command for command in commands if not command.startswith(NOT_HERE))


@pytest.fixture
def debian(tmp_path, fleet_certificates) -> Path:
    """A machine's folders, with the guide's commands carried out in them."""
    if (
        not shutil.which("dpkg")
        or subprocess.run(["dpkg", "-s", "mosquitto"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no Mosquitto of Debian's here: apt-get install mosquitto")
    folders = {"/etc/mosquitto": tmp_path / "etc", "/var/lib/mosquitto": tmp_path / "data"}
    (tmp_path / "etc" / "conf.d").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    shutil.copytree(fleet_certificates, tmp_path / "etc" / "certs")
    commands = guide().replace("sudo -E ", "").replace("sudo ", "").replace(".venv/bin/python", sys.executable)
    for there, here in folders.items():
        commands = commands.replace(there, str(here))
    secrets = {f"DYNASPLIT_{user}_BROKER_PASSWORD": f"{user.lower()}-secret" for user in ("BACKEND", "INGEST")}
    subprocess.run(["bash", "-euc", commands], cwd=ROOT, env=os.environ | secrets, check=True, capture_output=True)
    return tmp_path


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Mosquitto with the folder's settings, on a port that is free; its address."""
    with socket.socket() as plain, socket.socket() as tls:
        for probe in (plain, tls):
            probe.bind(("127.0.0.1", 0))
        ports = {"1883": plain.getsockname()[1], "8883": tls.getsockname()[1]}
    place = f"127.0.0.1:{ports['1883']}"
    ours = folder / "etc" / "conf.d" / "dynasplit.conf"
    settings = ours.read_text()
    for shipped, free in ports.items():
        settings = re.sub(rf"^listener {shipped}.*$", f"listener {free} 127.0.0.1", settings, flags=re.MULTILINE)
    ours.write_text(settings)
    places = {"run": folder, "data": folder / "data", "settings": folder / "etc", "user": getpass.getuser()}
    (folder / "etc" / "mosquitto.conf").write_text(SETTINGS.format(**places))
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    broker = subprocess.Popen([program, "-c", str(folder / "etc" / "mosquitto.conf")], stderr=subprocess.PIPE)
    try:
        yield place
    finally:
        broker.terminate()
        _, said = broker.communicate(timeout=PATIENCE_S)
    assert broker.returncode == 0, said


def test_the_guide_s_commands_start_a_broker_that_lets_in_who_knows_the_password(debian):
    with running(debian) as place:
        end_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                check_login(BrokerAddress.parse(f"mqtt://backend:backend-secret@{place}"), client_id="backend")
                break
            except ServiceMissing:
                assert time.monotonic() < end_s, (debian / "mosquitto.log").read_text()
                time.sleep(0.05)
        with pytest.raises(ServiceMissing, match="check user and password"):
            check_login(BrokerAddress.parse(f"mqtt://backend:wrong@{place}"), client_id="backend")
    assert (debian / "data" / "mosquitto.db").exists()
