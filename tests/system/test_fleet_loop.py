"""The whole loop from the operator's machine: profile a device through its backend, compute its table there, push it, go back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from tools.cli import main
from tools.stack import NodeProfile, Stack

pytestmark = pytest.mark.system

DEVICE = "pi4-loop"
Run = Callable[..., int]


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """Broker, backend, ingest and an agent on an emulated board, as processes of their own."""
    node = NodeProfile(busy_watts=40.0, idle_watts=10.0)
    with Stack(tmp_path_factory.mktemp("stack"), device=DEVICE, board="emulated-pi4", node=node) as running:
        yield running


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return make_bundle(digits_vgg(), tmp_path_factory.mktemp("bundles") / "digits", name="digits", cuts=(4, 10))


@pytest.fixture
def run(stack) -> Run:
    return lambda *words: main([*map(str, words), "--backend", stack.backend.url, "--token", stack.token])


def test_profile_compute_push_and_go_back(stack, bundle, run, tmp_path):
    told, table, key = tmp_path / "job.json", tmp_path / "table.json", stack.private_key_file

    profile = ("job", "profile", DEVICE, bundle.folder, "--codecs", "raw", "--repeats", "1", "--wait", "240")
    assert run(*profile, "--json", told) == 0
    tag = json.loads(told.read_text())["run"]
    assert run("job", "watch", DEVICE, tag.removeprefix("job-")) == 0
    assert run("table", "compute", "digits", "--device", DEVICE, "--run", tag, "-o", table) == 0
    assert run("rollout", "start", table, "--key", key, "--devices", DEVICE, "--soak", "0") == 0
    assert run("push", table, "--key", key) == 0
    assert run("push", "--key", key, "--device", DEVICE, "--network", "digits", "--back", "1") == 0

    history = stack.backend.history(DEVICE, "digits")
    (standing,) = stack.backend.standings("digits")
    assert [each["version"] for each in history] == [3, 2, 1]
    assert len({each["content_digest"] for each in history}) == 1
    assert standing["agrees"]
    assert standing["reported"]["state"] == "applied"
    assert _what_optimize_makes(run, stack, tag, tmp_path) == json.loads(table.read_text())


def _what_optimize_makes(run: Run, stack: Stack, tag: str, folder: Path) -> object:
    """From the same measurements, on this machine."""
    made = folder / "here.json"
    words = ["optimize", "--measurements", stack.backend.url, "--token", stack.token, "--run", tag, "-o", str(made)]
    assert main(words) == 0
    return json.loads(made.read_text())
