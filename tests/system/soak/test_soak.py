"""Two thousand requests while everything around the agent, and the agent itself, fails and comes back."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from soak.callers import Callers, Heard
from soak.chaos import Breakable, carry_out, draw
from soak.memory import Memory
from soak.world import World, wait_until

from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.fakes.kernel_trees import make_pi4
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg, load_digits_vgg
from planner.findings import Wanted, findings
from planner.profiling import plan
from protocol.configuration import Account, EdgeAccelerator
from protocol.tensors import Tensor
from tools.profile_device import DEFAULT_CODECS, measure, prepare, space_of
from tools.push import push, wait_for_report

AGENT = [sys.executable, str(Path(__file__).with_name("agent_on_tree.py"))]
REQUESTS = 2000
CALLERS = 3
SEED = 20261121
LASTS = (60, 200)
"""How many answered requests a fault lasts."""
SLOW = 0.01
LAST_KILL = 1100
WARM = 400

pytestmark = [pytest.mark.system, pytest.mark.mosquitto]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak") / "bundle"
    network = load_digits_vgg("int8")
    return make_bundle(digits_vgg("int8"), folder, name=network.name, cuts=(4, 10), scaling=network.card.scaling)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """The clock of a Pi 4."""
    return make_pi4(tmp_path_factory.mktemp("board") / "sys")


@pytest.fixture(scope="module")
def soaked(tmp_path_factory, bundle, board) -> Iterator[Soaked]:
    folder = tmp_path_factory.mktemp("soaked")
    settings = {
        "DYNASPLIT_BOARD": "emulated-pi4",
        "DYNASPLIT_SYSFS": str(board.sys),
        "DYNASPLIT_RUN_DIR": str(folder / "run"),
        "DYNASPLIT_EMULATED_TPU": "true",
        "DYNASPLIT_MAX_WAITING": str(CALLERS),
    }
    world = World(folder, agent=AGENT, agent_settings=settings)
    try:
        before = _clock(board)
        world.start()
        heard, carried_out, memory = _soak(world, bundle)
        world.end("agent")
        yield Soaked(world, heard, carried_out, memory, clock_before=before, clock_after=_clock(board))
    finally:
        world.stop()


@dataclass(frozen=True)
class Soaked:
    """The world after it all: what the callers heard, what was done to it, and the board before and after."""

    world: World
    heard: Heard
    carried_out: list[str]
    memory: Memory
    clock_before: dict[str, str]
    clock_after: dict[str, str]


def _soak(world, bundle):
    prepare(world.backend, world.agent, bundle)
    _push_table(world, bundle)
    tensors = [Tensor(bundle.manifest.inputs[0].name, load_digits_vgg("int8").input(number)) for number in range(20)]
    callers = Callers(world.client, bundle.manifest.network, tensors, requests=REQUESTS, count=CALLERS, seed=SEED)
    with Memory(world.front, lambda: callers.heard.count) as memory:
        callers.start()
        carried_out = carry_out(_faults(), _things(world), lambda: callers.heard.count)
        callers.join(400)
    wait_until(lambda: set(_stored(world)) >= set(callers.heard.answered), "not all records reached the store")
    return callers.heard, carried_out, memory


def _faults():
    """The agent is killed in the first half, so that the last one can warm up and then grow old."""
    around = draw(("broker", "backend", "link", "ingest", "tpu"), each=4, requests=REQUESTS, lasts=LASTS, seed=SEED)
    hangs = draw(("tpu hangs",), each=2, requests=REQUESTS, lasts=(10, 40), seed=SEED + 1)
    return around + hangs + draw(("agent",), each=2, requests=LAST_KILL, lasts=(1, 1), seed=SEED + 2)


def _push_table(world, bundle):
    space = space_of(world.agent, bundle, DEFAULT_CODECS)
    image = load_digits_vgg("int8").input(1)
    measured = measure(world.agent, bundle, plan(space), image, repeats=2, run="profile", step=lambda: None)
    table = findings(list(measured), space, Wanted(Account.EDGE_NODE)).table
    world.backend.add_draft(table)
    signed = push(world.backend, table, world.private_key)
    assert wait_for_report(world.backend, signed, timeout_s=30).reason == ""


def _things(world):
    usb = EmulatedUsb(world.folder / "agent" / "emulated-usb")
    killed = {
        name: Breakable(partial(world.kill, name), partial(world.revive, name))
        for name in ("broker", "backend", "ingest")
    }
    return killed | {
        "agent": Breakable(lambda: (world.kill("agent"), world.revive("agent")), lambda: None),
        "link": Breakable(partial(setattr, world.link, "share", SLOW), partial(setattr, world.link, "share", 1.0)),
        "tpu": Breakable(usb.unplug, usb.plug),
        "tpu hangs": Breakable(usb.hang, usb.answer),
    }


def _stored(world) -> Counter[str]:
    """How many records of each attempt the store holds."""
    with contextlib.closing(sqlite3.connect(world.store)) as database:
        return Counter(dict(database.execute("SELECT run, COUNT(*) FROM inferences GROUP BY run")))


def _clock(board) -> dict[str, str]:
    """Governor, limits and speed as the files say."""
    folder = board.cpufreq.folder
    names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq", "scaling_setspeed")
    return {name: (folder / name).read_text().strip() for name in names}


def test_every_request_whose_caller_stayed_was_answered(soaked):
    assert soaked.heard.lost == []
    assert soaked.heard.count == REQUESTS


def test_every_record_is_in_the_store_exactly_once(soaked):
    runs = _stored(soaked.world)

    assert {run: count for run, count in runs.items() if count != 1} == {}
    assert set(soaked.heard.answered) <= set(runs)


def test_the_board_is_as_it_was_found(soaked):
    assert soaked.clock_after == soaked.clock_before


def test_memory_is_flat(soaked):
    assert soaked.memory.growth(since=LAST_KILL, warm=WARM) < 0.05


def test_it_was_no_calm_day(soaked):
    """Each fault was met by requests: otherwise the soak has shown nothing."""
    answers = soaked.heard.answered.values()
    reasons = " ".join({answer.fallback for answer in answers})

    assert sum("agent fails" in line for line in soaked.carried_out) == 2
    assert soaked.heard.broken, "nobody noticed that the agent was killed"
    assert "cloud" in reasons
    assert "accelerator" in reasons
    assert {answer.configuration.edge_accelerator for answer in answers} > {EdgeAccelerator.OFF}
    assert any(not answer.fallback and answer.cost.up_bytes for answer in answers)
