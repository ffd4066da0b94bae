"""One id joins what a device answered, what the backend logged, and the record in the store."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg, load_digits_vgg
from protocol.inference import Message, pack_request
from protocol.tensors import Tensor
from tools.stack import NodeProfile, Stack

pytestmark = pytest.mark.system

CALLED = "camera-7"
LOGGED = {"DYNASPLIT_LOG_FORMAT": "json", "DYNASPLIT_LOG_LEVEL": "debug"}
PATIENCE_S = 30.0


class TalkativeStack(Stack):
    """Its backend logs each request, for machines."""

    def _backend_environment(self) -> dict[str, str]:
        return {**super()._backend_environment(), **LOGGED}


@pytest.fixture
def stack(tmp_path) -> Iterator[Stack]:
    node = NodeProfile(busy_watts=40.0, idle_watts=10.0)
    with TalkativeStack(tmp_path / "stack", device="pi4-ids", board="emulated-pi4", node=node) as running:
        yield running


@pytest.fixture
def bundle(tmp_path) -> Bundle:
    return make_bundle(digits_vgg(), tmp_path / "digits", name="digits", cuts=(4, 10))


def ask(url: str, token: str, body: bytes | None = None, **headers: str) -> tuple[bytes, Any]:
    request = urllib.request.Request(url, data=body, headers={"Authorization": f"Bearer {token}", **headers})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        return response.read(), response.headers


def records(stack: Stack) -> list[dict[str, Any]]:
    """Of the requests that were kept, once there are any."""
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / 0.1)):
        if lines := ask(f"{stack.backend.url}/api/v1/inferences", stack.token)[0].splitlines():
            return [json.loads(line)["inference"] for line in lines]
        tick.wait(0.1)
    raise AssertionError("no record came in time")


def test_a_request_is_found_by_its_id_in_answer_log_and_store(stack, bundle, tmp_path):
    stack.backend.upload_bundle(bundle)
    stack.agent.load("digits", bundle.digest)
    (spec,) = bundle.manifest.inputs
    pinned = {"configuration": {"cut": 4, "cpu_khz": 1_000_000}}
    wire = pack_request(Message((Tensor(spec.name, load_digits_vgg().input(7)),), pinned))

    url = f"{stack.agent.url}/v2/models/digits/infer"
    _, answered = ask(url, stack.token, wire.body, **wire.headers, **{"X-Request-Id": CALLED})

    lines = [
        json.loads(line)
        for line in Path(tmp_path / "stack/logs/backend.log").read_text().splitlines()
        if line[0] == "{"
    ]
    (line,) = [line for line in lines if line.get("request_id") == CALLED and "status" in line]
    assert answered["X-Request-Id"] == CALLED
    assert [record["request_id"] for record in records(stack)] == [CALLED]
    assert (line["status"], line["network"], line["cut"], line["caller"]) == (200, "digits", 4, "device pi4-ids")
