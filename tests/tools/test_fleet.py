"""Tables for a fleet, from the command line: rollouts, going back, who uses which, and tables computed in the backend."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from cloud.app import create_app
from cloud.broker.publishing import MemoryPublisher
from cloud.chores import Chore
from cloud.rollouts.driving import Driver
from cloud.settings import BackendSettings
from cloud.store.memory import MemoryStore
from cloud.store.records.port import Arrival
from cloud.tables.computing import Computing
from protocol import topics
from protocol.configuration import Configuration
from protocol.link import REFERENCE_LINK, Link
from protocol.measurement import Cost, Measurement
from protocol.messages import TableReport, TableState
from protocol.presence import Availability
from protocol.signing import SignedTable, generate_private_key, public_key_of, verify
from protocol.table import Row, Table
from tools.cli import main

OPERATOR = "operator-token"
DEVICES = ["pi-1", "pi-2", "pi-3"]
BUNDLE = "b" * 64
Run = Callable[..., int]


class Fleet(MemoryPublisher):
    """A broker behind which devices answer each table at once: they apply it, but for those in `failing`."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self._store = store
        self.failing: set[str] = set()

    def publish(self, topic: str, payload: bytes) -> None:
        super().publish(topic, payload)
        signed = SignedTable.from_json(json.loads(payload))
        table, device = signed.table, topics.device_of(topic)
        report = TableReport(table.network, table.digest, table.version, TableState.APPLIED)
        if device in self.failing:
            report = TableReport(table.network, "", 0, TableState.ROLLED_BACK, "it was slow", failed=table.digest)
        self._store.note_report(device, report, at=1.0)


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.add_bundle(BUNDLE, network="digits")
    for number, device in enumerate(DEVICES):
        made.add_device(device, token_sha256=str(number) * 64)
        made.note_availability(device, Availability.ONLINE, at=1.0)
    return made


@pytest.fixture
def broker(store) -> Fleet:
    return Fleet(store)


@pytest.fixture
def url(store, broker, tmp_path) -> Iterator[str]:
    """A backend on loopback, with what ingest does beside."""
    settings = BackendSettings(data_dir=tmp_path / "cloud", operator_token=OPERATOR, node_busy_watts=40.0)
    server = make_server("127.0.0.1", 0, create_app(settings, store=store, publisher=broker), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    chores = [Chore("looking", look, every_s=0.01) for look in (Driver(store, broker).look, Computing(store).look)]
    for chore in chores:
        chore.start()
    yield f"http://127.0.0.1:{server.server_port}"
    for chore in chores:
        chore.stop()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(url) -> Run:
    return lambda *words: main([*map(str, words), "--backend", url, "--token", OPERATOR])


@pytest.fixture
def key(tmp_path) -> Path:
    path = tmp_path / "operator.key"
    path.write_text(generate_private_key())
    return path


@pytest.fixture
def table(tmp_path) -> Callable[..., Path]:
    def make(*, head_ms: float = 4.5) -> Path:
        row = Row(Configuration(3, 1_500_000), head_ms, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)
        path = tmp_path / f"table-{head_ms}.json"
        path.write_text(json.dumps(Table("digits", BUNDLE, "pi-1", REFERENCE_LINK, (row,)).to_json()))
        return path

    return make


def start(run: Run, table: Path, key: Path, *more: object) -> int:
    words = ("rollout", "start", table, "--key", key, "--devices", ",".join(DEVICES), "--soak", "0")
    return run(*words, *more)


@pytest.mark.exhaustive
def test_a_rollout_is_signed_here_for_each_device_and_watched_to_its_end(run, store, broker, table, key, capsys):
    store.set_desired(SignedTable(Table("digits", BUNDLE, "pi-2", REFERENCE_LINK, a_row(), 6), "old"))

    assert start(run, table(), key) == 0

    versions = {device: store.history(device, "digits")[0].version for device in DEVICES}
    assert versions == {"pi-1": 1, "pi-2": 7, "pi-3": 1}
    for device in DEVICES:
        signed = SignedTable.from_json(json.loads(broker.retained[topics.desired(device, "digits")]))
        verify(signed, public_key_of(key.read_text()))
    told = capsys.readouterr().err
    assert "DONE, stage 2: 3 applied" in told


def a_row() -> tuple[Row, ...]:
    return (Row(Configuration(3, 1_500_000), 1.0, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98),)


@pytest.mark.exhaustive
def test_a_rollout_that_stops_ends_with_1_and_says_who_and_why(run, store, broker, table, key, capsys):
    broker.failing = {"pi-1"}

    assert start(run, table(), key, "--json", "-") == 1

    told = capsys.readouterr()
    assert "STOPPED, stage 1: 1 rolled_back, 2 waiting: pi-1: rolled_back: it was slow" in told.err
    assert json.loads(told.out)["state"] == "STOPPED"
    assert store.history("pi-2", "digits") == []


def test_rollouts_are_listed_shown_and_canceled(run, store, broker, table, key, capsys):
    broker.away = True  # so that nobody answers
    assert start(run, table(), key, "--no-wait") == 0
    (rollout,) = store.rollouts()

    assert run("rollout", "list", "--network", "digits") == 0
    assert run("rollout", "show", rollout.id) == 0
    assert run("rollout", "cancel", rollout.id) == 0
    told = capsys.readouterr().err
    assert told.count(rollout.id) == 4
    assert "  pi-3" in told and "CANCELED" in told
    assert run("rollout", "show", rollout.id, "--watch") == 1
    assert run("rollout", "cancel", rollout.id) == 2
    assert run("rollout", "list", "--network", "faces") == 0
    assert "there are no rollouts" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--devices", "pi-1", "--to", "site=roof"),
        ("--to", "roof"),
        ("--to", "site=roof"),
        ("--devices", "pi-9"),
        ("--devices", "pi-1", "--canary", "0"),
        ("--devices", "pi-1", "--growth", "-1"),
        ("--devices", "pi-1", "--soak", "nan"),
        ("--devices", "pi-1", "--stop-on", "applied"),
    ],
)
def test_what_is_no_rollout_is_refused_in_one_line(run, store, table, key, capsys, words):
    assert run("rollout", "start", table(), "--key", key, *words) == 2

    assert capsys.readouterr().err.count("\n") == 1
    assert store.rollouts() == []


def test_who_asks_for_a_label_that_no_device_has_is_told_how_to_give_it(run, table, key, capsys):
    assert run("push", table(), "--key", key, "--to", "site=roof") == 2

    said = capsys.readouterr().err
    assert "site=roof" in said and "/api/v1/devices/DEVICE/labels" in said


def test_push_goes_to_all_devices_with_the_labels(run, store, table, key):
    store.set_labels("pi-1", {"site": "roof", "model": "pi4"})
    store.set_labels("pi-3", {"site": "roof", "model": "pi5"})

    assert run("push", table(), "--key", key, "--to", "site=roof", "--to", "model=pi4", "--wait", "0") == 0

    (rollout,) = store.rollouts()
    assert [member.device for member in rollout.members] == ["pi-1"]


def test_push_back_signs_the_old_content_under_the_next_version(run, store, table, key, capsys):
    for head_ms in (1.0, 2.0, 3.0):
        assert run("push", table(head_ms=head_ms), "--key", key) == 0
    first = store.history("pi-1", "digits")[-1]

    back = ("push", "--key", key, "--device", "pi-1", "--network", "digits", "--back")
    assert run(*back) == 0
    assert run(*back, "1") == 0
    assert run(*back, first.digest[:12]) == 0

    history = store.history("pi-1", "digits")
    heads = [store.signed(each.digest).table.rows[0].head_ms for each in history]
    assert ([each.version for each in history], heads) == ([6, 5, 4, 3, 2, 1], [1.0, 1.0, 2.0, 3.0, 2.0, 1.0])
    capsys.readouterr()
    assert run(*back, "99") == 2
    assert "known: 6 (" in capsys.readouterr().err
    assert run(*back, "x") == 2


@pytest.mark.parametrize(
    "words", [(), ("--back",), ("--back", "--device", "pi-9", "--network", "digits"), ("--device", "pi-1")]
)
def test_a_push_of_nothing_is_refused_in_one_line(run, key, capsys, words):
    assert run("push", "--key", key, *words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_who_uses_what_and_the_history_are_shown(run, table, key, capsys):
    run("push", table(), "--key", key)
    capsys.readouterr()

    assert run("table", "who", "digits") == 0
    assert run("table", "history", "pi-1", "digits") == 0
    assert run("table", "history", "pi-2", "digits") == 0
    assert run("table", "who", "faces") == 2

    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("pi-1") and "applied version 1" in told[0]
    assert told[1].startswith("version 1")
    assert told[2] == "pi-2 never had a table of digits"
    assert "network 'faces' is not here" in told[3]


@pytest.mark.exhaustive
def test_a_table_computed_there_is_the_one_that_optimize_makes_here(run, url, store, tmp_path):
    keep(store, [measured(cut, mhz) for cut in range(3) for mhz in (600, 1800)])
    there, here = tmp_path / "there.json", tmp_path / "here.json"

    assert run("table", "compute", "digits", "--device", "pi-1", "--run", "job-7", "-o", there) == 0

    words = ["optimize", "--measurements", url, "--token", OPERATOR, "--run", "job-7", "-o", str(here)]
    assert main(words) == 0
    assert json.loads(there.read_text()) == json.loads(here.read_text())


@pytest.mark.exhaustive
def test_a_table_that_cannot_be_computed_says_why(run, store, capsys):
    assert run("table", "compute", "faces", "--device", "pi-1") == 2
    assert run("table", "compute", "digits", "--device", "pi-1") == 2
    keep(store, [measured(0, 600)])
    assert run("table", "compute", "digits", "--device", "pi-1") == 1

    told = capsys.readouterr().err.splitlines()
    assert "no bundle" in told[0]
    assert "no measurements" in told[1]
    assert told[2].startswith("no table: no edge-only run was measured")


def keep(store: MemoryStore, measurements: list[Measurement]) -> None:
    store.write([Arrival(each.device, "boot", n, 1.0, each.to_json(), each) for n, each in enumerate(measurements)])


def measured(cut: int, mhz: int) -> Measurement:
    sends = cut < 2
    cost = Cost(
        head_ms=1.0 + cut, transfer_ms=3.0 * sends, cloud_ms=5.0 * sends, latency_ms=1.0 + cut + 8 * sends,
        up_bytes=1000 * sends, down_bytes=10 * sends, head_mj=4.0, wait_mj=2.0 * sends, cloud_node_mj=9.0 * sends,
        cloud_active_mj=None,
    )  # fmt: skip
    whole = Measurement(
        Configuration(cut, mhz * 1000), cost, network="digits", bundle=BUNDLE, device="pi-1", runtime="fake",
        link=Link(2.0, 500.0, 500.0), at=0.0, clock_synced=True,
    )  # fmt: skip
    return replace(whole, run="job-7")


def test_drafts_are_shown_with_the_digest_by_which_they_are_deleted(run, store, capsys):
    tables = [
        Table("digits", BUNDLE, "pi-1", REFERENCE_LINK, a_row(), 0),
        Table("faces", BUNDLE, "pi-1", REFERENCE_LINK, a_row()),
    ]
    for at, table in enumerate(tables):
        store.add_draft(table, at=float(at))

    assert run("table", "drafts") == 0
    shown = capsys.readouterr().err
    assert run("table", "delete", tables[0].digest) == 0
    assert run("table", "delete", tables[0].digest) == 2

    assert shown.index(tables[1].digest) < shown.index(tables[0].digest)
    assert [each.digest for each in store.drafts()] == [tables[1].digest]
