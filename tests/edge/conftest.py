"""A device without network, broker or waiting: emulated board in virtual time, fake runners, a cloud in memory."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from edge.api import descriptions
from edge.api.app import create_app
from edge.api.served import Served
from edge.device.accelerators import Accelerators
from edge.device.capabilities import Capabilities
from edge.device.controller import Controller
from edge.device.heat import Heat
from edge.device.throttle_guard import ThrottleGuard
from edge.metering.energy import Energies
from edge.metering.gauge import DirectGauge
from edge.offload.allowance import Allowance
from edge.offload.cloud import FakeCloud, TailCall
from edge.requests.agent import Agent
from edge.requests.bounds import Bounds
from edge.requests.execution import Execution
from edge.requests.learning import Learner
from edge.requests.recorder import Recorder
from edge.requests.turns import Turns
from edge.runners.emulated_tpu import EmulatedTpuOpener
from edge.runners.port import RunnerKey, Runners, RunnersHere, open_fake
from edge.tables.bundles import BundleStore
from edge.tables.deciding import Tables, Trust
from edge.tables.history import TableStore
from edge.tables.networks import Networks
from edge.tables.readiness import Readiness
from edge.telemetry.outbox import Outbox
from edge.telemetry.wall_clock import WallClock
from hardware.accelerator.edge_tpu import PluggedEdgeTpu
from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.accelerator.presence import BusPresence
from hardware.board import Board
from hardware.boards import open_board
from hardware.clock import VirtualClock
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.running.runner import FakeRunner
from models.zoo import digits_vgg, load_digits_vgg
from planner.choosing.limits import NO_LIMITS, Limits
from protocol.configuration import Codec, Configuration, EdgeAccelerator
from protocol.errors import BundleBroken, NotFound, ServiceMissing
from protocol.inference import Message, pack_request, unpack_reply, unpack_request
from protocol.link import REFERENCE_LINK
from protocol.messages import RecordKind, TableReport
from protocol.signing import SignedTable, generate_private_key, public_key_of, sign
from protocol.table import Row, Table
from protocol.tensors import Array, Tensor, decode

KEY = generate_private_key()
OPERATOR = "operator-token"
DEVICE = "pi-1"
NETWORK = "digits"
TOP_KHZ = 1_800_000
DEADLINE_S = 20.0
WALL_S = 1.8e9


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


@pytest.fixture(name="wait_until", scope="session")
def wait_until_fixture() -> Callable[[Callable[[], bool]], None]:
    return wait_until


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Ends an operation at each of its steps on the disk; `crashes(operation, prepared=folder)` gives what is left (`crashing`).

    On a disk in memory, where there is one: what a crash leaves is made up there, and flushes cost no time.
    """
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as scratch:
        yield partial(importlib.import_module("crashing").crashes, scratch=Path(scratch))


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The digits network with two cut points inside."""
    return make_bundle(digits_vgg(), tmp_path_factory.mktemp("bundles") / "digits", name=NETWORK, cuts=(4, 10))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Another network, in another bundle."""
    return make_bundle(digits_vgg("int8"), tmp_path_factory.mktemp("bundles") / "other", name="other", cuts=(4,))


@pytest.fixture(scope="session")
def image() -> Array:
    return load_digits_vgg().input(7)


def row(cut: int, bundle: Bundle, **figures: Any) -> Row:
    """A plausible row: the later the cut, the more the device does."""
    manifest = bundle.manifest
    edge_only = cut == manifest.operator_count
    share = manifest.head_work(cut).total_macs / manifest.tail_work(0).total_macs
    configuration = Configuration(cut, figures.pop("cpu_khz", TOP_KHZ), codec=figures.pop("codec", Codec.RAW))
    parts: dict[str, Any] = {
        "head_ms": 55.0 * share + 0.1,
        "head_mj": 240.0 * share + 0.5,
        "wait_w": 3.79,
        "up_bytes": 0 if edge_only else manifest.cut(cut).boundary_bytes,
        "down_bytes": 0 if edge_only else 200,
        "cloud_ms": 0.0 if edge_only else 2.0,
        "cloud_node_mj": 0.0 if edge_only else 40.0,
        "cloud_active_mj": 0.0 if edge_only else None,
        "accuracy": 0.99,
    }
    return Row(configuration, **{**parts, **figures})


def table_for(bundle: Bundle, *, version: int = 1, **change: Any) -> Table:
    manifest = bundle.manifest
    made = Table(
        network=manifest.network,
        bundle=bundle.digest,
        device=DEVICE,
        link=REFERENCE_LINK,
        rows=tuple(row(cut, bundle) for cut in manifest.cuts),
        version=version,
    )
    return replace(made, **change)


@pytest.fixture(name="table_for", scope="session")
def table_for_fixture() -> Callable[..., Table]:
    return table_for


@pytest.fixture(name="row", scope="session")
def row_fixture() -> Callable[..., Row]:
    return row


def payload(table: Table, *, key: str = KEY) -> bytes:
    """A desired table as it is published."""
    return json.dumps(sign(table, key).to_json()).encode()


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class FolderSource:
    """A backend's bundles, in memory; `away` makes it unreachable, `breaks_after` ends each download after so many bytes, and one
    goes on only while `held` is set."""

    bundles: dict[str, Bundle] = field(default_factory=dict)
    away: bool = False
    breaks_after: int | None = None
    downloads: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    held: threading.Event = field(default_factory=_set)

    def add(self, bundle: Bundle) -> None:
        self.bundles[bundle.digest] = bundle

    def download(self, path: str, destination: Path, *, most_bytes: int) -> None:
        if self.away:
            raise ServiceMissing("the backend is away")
        self.downloads.append(path)
        assert self.held.wait(30)
        content = self._content(path)
        there = destination.stat().st_size if destination.exists() else 0
        rest = content[there:][: self.breaks_after]
        self.sent_bytes += len(rest)
        with destination.open("ab") as file:
            file.write(rest)
        if there + len(rest) < len(content):
            raise ServiceMissing("broke off")
        if len(content) > most_bytes:
            raise BundleBroken(f"{path} is too large")

    def _content(self, path: str) -> bytes:
        kind, _, digest = path.partition("/")
        for bundle in self.bundles.values():
            if kind == "bundles" and bundle.digest == digest:
                return (bundle.folder / "bundle.json").read_bytes()
            for artifact in bundle.manifest.artifacts:
                if kind == "artifacts" and artifact.sha256 == digest:
                    return (bundle.folder / artifact.filename).read_bytes()
        raise NotFound(f"{path} is not here")


def answer_with(*bundles: Bundle) -> Callable[[TailCall], Mapping[str, Array]]:
    """A tail that is run by the fake of its bundle."""
    manifests = {bundle.digest: bundle.manifest for bundle in bundles}

    def answer(call: TailCall) -> Mapping[str, Array]:
        message = unpack_request(call.wire.headers, call.wire.body)
        manifest = manifests[call.bundle]
        cut, codec = int(message.parameters["cut"]), Codec(message.parameters["codec"])
        specs = manifest.cut(cut).boundary
        boundary = [decode(tensor, spec, codec) for tensor, spec in zip(message.tensors, specs, strict=True)]
        return FakeRunner(manifest).tail(cut, boundary)

    return answer


@dataclass
class Device:
    """An agent with its app's test client, and everything behind it."""

    app: Flask
    client: FlaskClient
    clock: VirtualClock
    board: Board
    cloud: FakeCloud
    outbox: Outbox
    networks: Networks
    tables: Tables
    source: FolderSource
    runners: Runners
    turns: Turns
    agent: Agent

    def push(self, table: Table, *, key: str = KEY, network: str = "") -> TableReport | None:
        return self.tables.consider(network or table.network, payload(table, key=key))

    def infer(
        self, inputs: Mapping[str, Array], parameters: Mapping[str, Any] | None = None, *, token: str = "", **more: Any
    ) -> TestResponse:
        tensors = tuple(Tensor(name, array) for name, array in inputs.items())
        wire = pack_request(Message(tensors, parameters or {}, **more))
        return self.post("/v2/models/digits/infer", wire.body, token=token, headers=dict(wire.headers))

    def post(self, path: str, body: bytes = b"", *, token: str = "", headers: Mapping[str, str] | None = None) -> Any:
        sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        return self.client.post(path, data=body, headers=sent)

    def records(self, kind: RecordKind = RecordKind.INFERENCE) -> list[dict[str, Any]]:
        batch = self.outbox.batch(after_id=0, max_records=1000, max_bytes=1 << 30)
        return [dict(record.body) for record in batch.records if record.kind is kind] if batch else []


def reply_of(response: TestResponse) -> Message:
    assert response.status_code == 200, response.get_data()
    return unpack_reply(dict(response.headers), response.get_data())


@pytest.fixture(name="reply_of", scope="session")
def reply_of_fixture() -> Callable[[TestResponse], Message]:
    return reply_of


def edge_tpu_on(usb: EmulatedUsb, clock: VirtualClock) -> PluggedEdgeTpu:
    presence = BusPresence(usb.root, clock=clock)
    return PluggedEdgeTpu(tuple(EdgeAccelerator), presence, clock=clock, sleep=clock.sleep)


MakeDevice = Callable[..., Device]


@pytest.fixture
def make_device(tmp_path: Path, digits: Bundle, other: Bundle) -> Any:
    """Devices on one data folder, so that a second one is the first after a restart."""
    opened: list[Device] = []

    def make(
        *,
        limits: Limits = NO_LIMITS,
        max_bytes_per_day: int = 0,
        max_waiting: int = 2,
        max_in_flight: int = 1,
        keep_throttled: bool = False,
        board: Callable[[Board, VirtualClock], Any] | None = None,
        usb: EmulatedUsb | None = None,
        runners: Runners | None = None,
        source: FolderSource | None = None,
    ) -> Device:
        clock = VirtualClock(1000.0)
        edge_tpu = edge_tpu_on(usb, clock) if usb else None
        emulated = open_board("emulated-pi4", edge_tpu=edge_tpu, clock=clock, sleep=clock.sleep)
        device_board = board(emulated, clock) if board else emulated
        source = source or FolderSource()
        runners = runners or RunnersHere(opener=EmulatedTpuOpener(usb, cpu=open_fake) if usb else open_fake)
        bundles, networks = BundleStore(tmp_path / "bundles", source), Networks()
        accelerators = Accelerators(edge_tpu, clock=clock)
        capabilities = Capabilities.of(device_board, threads=1)
        allowance = Allowance(max_bytes_per_day, tmp_path / "sent.json", wall=lambda: (WALL_S + clock(), True))

        def warm(bundle: Bundle, threads: int) -> None:
            runners.open(RunnerKey(bundle.folder, threads))

        trust = Trust(DEVICE, public_key_of(KEY))
        store = TableStore(tmp_path / "tables")
        readiness = Readiness(bundles, capabilities=capabilities, limits=limits, warm=warm)
        tables = Tables(store, readiness, networks, trust=trust)
        cloud = FakeCloud(answer_with(digits, other), sleep=clock.sleep)
        cloud.ration = allowance
        outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 26)
        heat = Heat(limits.allowed_khz(device_board.ladder_khz()), clock=clock)
        controller, energies = (
            Controller(device_board, heat=heat, clock=clock),
            Energies(DirectGauge(device_board.meter, clock=clock)),
        )
        guard = ThrottleGuard(device_board.slowdown, keeps=keep_throttled)
        execution = Execution(
            controller,
            runners,
            cloud,
            energies=energies,
            clock=clock,
            emulated_link=True,
            guard=guard,
            accelerators=accelerators,
        )
        recorder = Recorder(outbox, device=DEVICE, wall=WallClock())
        turns = Turns(max_waiting=max_waiting, max_in_flight=max_in_flight, clock=clock)
        agent = Agent(
            networks,
            execution,
            cloud,
            recorder,
            bounds=Bounds(capabilities, limits, allowance, heat, accelerators),
            turns=turns,
            learner=Learner(),
            clock=clock,
        )

        def described() -> dict[str, Any]:
            return descriptions.device(
                DEVICE,
                device_board,
                clocks_khz=heat.ladder_khz,
                accelerators=accelerators,
                outbox=outbox,
            )

        served = Served(
            agent,
            networks,
            bundles,
            warm,
            described,
            OPERATOR,
            clock=clock,
            obstacle=runners.obstacle,
        )
        app = create_app(served)
        device = Device(
            app, app.test_client(), clock, device_board, cloud, outbox, networks, tables, source, runners, turns, agent
        )
        opened.append(device)
        return device

    yield make
    for device in opened:
        device.outbox.close()
        device.runners.close()


@pytest.fixture
def device(make_device: MakeDevice, digits: Bundle) -> Device:
    """A device that knows where the digits bundle is, but has no table yet."""
    made = make_device()
    made.source.add(digits)
    return made


@pytest.fixture
def serving(device: Device, digits: Bundle) -> Device:
    """A device with a table for the digits network."""
    report = device.push(table_for(digits))
    assert report and report.reason == ""
    return device


@pytest.fixture
def inputs(digits: Bundle, image: Array) -> dict[str, Array]:
    return {digits.manifest.inputs[0].name: image}


@pytest.fixture
def operator_key() -> str:
    """The private key whose tables the devices trust."""
    return KEY


@pytest.fixture
def signed(digits: Bundle) -> SignedTable:
    return sign(table_for(digits), KEY)


@pytest.fixture
def answer(digits: Bundle, image: Array) -> Array:
    """What the fake network says to the image, wherever it is cut."""
    outputs = FakeRunner(digits.manifest).tail(0, [np.asarray(image)])
    return next(iter(outputs.values()))
