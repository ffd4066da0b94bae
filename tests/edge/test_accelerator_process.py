"""The agent as a process with an emulated Edge TPU that somebody unplugs and makes hang from outside."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

from edge.tables.history import TableHistory, TableStore
from hardware.accelerator.emulated_usb import EmulatedUsb
from protocol.configuration import EdgeAccelerator
from protocol.inference import Message, pack_request, unpack_reply
from protocol.signing import public_key_of, sign
from protocol.tensors import Tensor

pytestmark = pytest.mark.system


@pytest.fixture
def data_dir(tmp_path, other, row, table_for, operator_key):
    """A device that has a bundle and a table: edge-only on the CPU, and for less on the TPU."""
    folder = tmp_path / "data"
    shutil.copytree(other.folder, folder / "bundles" / other.digest)
    cpu = row(other.manifest.operator_count, other)
    on_tpu = replace(cpu.configuration, edge_accelerator=EdgeAccelerator.STD)
    table = table_for(other, rows=(cpu, replace(cpu, configuration=on_tpu, head_ms=60.0, head_mj=60.0)))
    store = TableStore(folder / "tables")
    store.save(other.manifest.network, TableHistory(current=sign(table, operator_key)))
    return folder


@pytest.fixture
def url(tmp_path, data_dir, operator_key, wait_until):
    settings = {
        "device": "pi-1",
        "data_dir": str(data_dir),
        "run_dir": str(tmp_path / "run"),
        "backend_url": "http://127.0.0.1:9",
        "device_token": "t",
        "broker_url": "mqtt://127.0.0.1:9",
        "operator_token": "o",
        "operator_public_key": public_key_of(operator_key),
        "port": 0,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    config = tmp_path / "edge.toml"
    config.write_text("\n".join([*lines, "emulated_tpu = true"]))
    command = [sys.executable, "-m", "edge", "--config", str(config)]
    log = tmp_path / "log"
    with log.open("w") as stderr, subprocess.Popen(command, stderr=stderr) as agent:
        try:
            wait_until(lambda: agent.poll() is not None or "serves on" in log.read_text())
            yield re.search(r"serves on (http://\S+)", log.read_text())[1]
        finally:
            agent.terminate()
            agent.wait(30)


@pytest.fixture
def ask(url, other):
    spec = other.manifest.inputs[0]
    wire = pack_request(Message((Tensor(spec.name, np.zeros(spec.shape, np.float32)),), {}))

    def asking():
        request = urllib.request.Request(f"{url}/v2/models/other/infer", wire.body, dict(wire.headers))
        with urllib.request.urlopen(request, timeout=60) as reply:
            answer = unpack_reply(dict(reply.headers), reply.read())
        outputs = next(iter(answer.tensors)).array
        return answer.parameters["configuration"]["edge_accelerator"], answer.parameters["fallback"], outputs

    return asking


def test_each_request_is_answered_whatever_becomes_of_the_tpu(ask, data_dir, wait_until):
    usb = EmulatedUsb(data_dir / "emulated-usb")
    ran_on, fallback, expected = ask()
    assert (ran_on, fallback) == ("std", "")

    usb.hang()
    ran_on, fallback, found = ask()
    assert ran_on == "off"
    assert "took longer than" in fallback and "so the runner was killed" in fallback
    assert np.array_equal(found, expected)

    usb.unplug()
    usb.answer()
    ran_on, fallback, found = ask()
    assert (ran_on, fallback) == ("off", "")
    assert np.array_equal(found, expected)

    usb.plug()
    wait_until(lambda: ask()[0] == "std")
