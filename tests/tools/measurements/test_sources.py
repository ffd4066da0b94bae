"""Measurements from files, told apart by content, and from databases."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from cloud.store.records.port import Arrival
from cloud.store.sql import SqlStore
from planner.space import Space
from protocol.configuration import Configuration
from protocol.errors import InvalidInput, ServiceMissing
from protocol.link import Link
from protocol.measurement import Cost, Measurement
from tools.measurements.sources import read

ANY = {"network": "", "device": "", "bundle": "", "run": ""}
LAST = 2


def measured(cut: int, mhz: int, **changes) -> Measurement:
    sends = cut < LAST
    cost = Cost(
        head_ms=1.0 + cut, transfer_ms=3.0 * sends, cloud_ms=5.0 * sends, latency_ms=1.0 + cut + 8 * sends,
        up_bytes=1000 * sends, down_bytes=10 * sends, head_mj=4.0, wait_mj=2.0 * sends, cloud_node_mj=9.0 * sends,
        cloud_active_mj=None,
    )  # fmt: skip
    origin = {"network": "digits", "bundle": "b" * 64, "device": "pi-1", "run": "first"} | changes
    return Measurement(
        Configuration(cut, mhz * 1000), cost, runtime="fake", link=Link(2.0, 500.0, 500.0), at=0.0, clock_synced=True,
        **origin,
    )  # fmt: skip


EVERYTHING = [measured(cut, mhz) for cut in range(LAST + 1) for mhz in (600, 1800)]


def as_lines(measurements) -> str:
    return "".join(json.dumps(item.to_json()) + "\n" for item in measurements)


def with_head(line: str, **cost) -> str:
    """The line, of cut 1."""
    content = json.loads(line)
    content["configuration"]["cut"] = 1
    content["cost"] |= cost
    return json.dumps(content)


@pytest.mark.parametrize("name", ["m.jsonl", "m.csv", "measurements"])
def test_json_lines_are_known_by_their_content(tmp_path, name):
    path = tmp_path / name
    path.write_text("\n" + as_lines(EVERYTHING))

    recorded = read(str(path), ANY)

    assert recorded.measurements == tuple(EVERYTHING)
    assert recorded.where[0] == f"{path}:2"
    assert recorded.space == Space(cuts=(0, 1, 2), clocks_khz=(600_000, 1_800_000))
    assert not recorded.sampled


@pytest.mark.parametrize("name", ["pool.jsonl", "pool"])
def test_published_trials_are_known_by_their_content(make_pool, name):
    recorded = read(str(make_pool(name=name)), ANY | {"network": "vgg4"})

    assert recorded.sampled
    assert {item.network for item in recorded.measurements} == {"vgg4"}


def test_a_pool_that_lacks_a_column_is_still_a_pool(make_pool):
    path = make_pool()
    path.write_text(path.read_text().replace("avg latency cloud (ms)", "cloud"))

    with pytest.raises(InvalidInput, match=r"csv:1: the column 'avg latency cloud \(ms\)' is missing"):
        read(str(path), ANY)


@pytest.mark.parametrize("content", ["Index,Network,Latency\n0,vgg16,98.9\n", "hello\n", "[1, 2]\n", "x" * 200_000])
def test_what_is_neither_is_said_to_be_neither(tmp_path, content):
    (tmp_path / "m.txt").write_text(content)

    with pytest.raises(InvalidInput, match=r"m.txt:1: neither measurements as JSON lines") as refusal:
        read(str(tmp_path / "m.txt"), ANY)

    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda line: with_head(line, head_ms=0.0), "the head of cut 1 cannot have taken 0 ms on the device"),
        (lambda line: with_head(line, head_mj=0.0, wait_mj=0), "the head of cut 1 cannot have taken 0 J on the device"),
        (lambda line: with_head(line, latency_ms=0), "the head of cut 1 cannot have a latency of 0 ms"),
        (lambda line: line.replace('"latency_ms": 9.0', '"latency_ms": 0'), "1000 bytes cannot have a latency of 0 ms"),
        (
            lambda line: line.replace('"cloud_ms": 5.0', '"cloud_ms": 0'),
            "1000 bytes cannot have taken 0 ms in the cloud",
        ),
        (lambda line: line[:-9], "is not valid JSON"),
        (lambda line: line.replace('"head_ms": 1.0', '"head_ms": -1.0'), "head_ms must be 0 or more"),
        (lambda line: line.replace('"head_ms": 1.0', '"head_ms": NaN'), "NaN is not a finite JSON number"),
        (lambda line: line.replace('"head_ms": 1.0', '"head_ms": 1e300'), "not beyond 1e+12, not 1e+300"),
        (lambda line: line.replace('"off"', '"npu"'), "'edge_accelerator' must be one of off, std, max"),
        (lambda line: line.replace('"up_bytes": 1000', '"up_bytes": 0'), "cut 0 of 2 cannot have sent 0 bytes"),
        (lambda line: line.replace('"cut": 0', '"cut": 7'), "cut 7 of 2 cannot have sent 1000 bytes"),
        (lambda line: line.replace('"cut": 0', '"cut": -1'), "cut must be 0 or more"),
        (lambda line: line.replace('"schema": 1', '"schema": 9'), "schema 9, newer than"),
        (lambda _line: "[]", "must be a JSON object"),
    ],
)
def test_a_line_that_cannot_be_is_refused_with_its_place_or_skipped(tmp_path, change, reason):
    path = tmp_path / "m.jsonl"
    first, *others = as_lines(EVERYTHING).splitlines()
    path.write_text("\n".join([*others, change(first)]) + "\n")

    with pytest.raises(InvalidInput) as refusal:
        read(str(path), ANY)
    recorded = read(str(path), ANY, skip_bad=True)

    assert str(refusal.value).startswith(f"{path}:6")
    assert reason in str(refusal.value)
    assert recorded.measurements == tuple(EVERYTHING[1:])
    assert len(recorded.skipped) == 1
    assert recorded.skipped[0].startswith(f"{path}:6")


def test_on_a_fast_device_to_send_the_input_takes_no_time(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(as_lines(EVERYTHING).replace('"head_ms": 1.0', '"head_ms": 0.0'))

    assert len(read(str(path), ANY).measurements) == len(EVERYTHING)


def test_what_was_asked_for_is_picked_and_what_is_open_is_asked(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(as_lines([*EVERYTHING, *(measured(2, 600, device="pi-2") for _ in range(2))]))

    with pytest.raises(InvalidInput, match=r"several devices: choose with --device pi-1 \| pi-2"):
        read(str(path), ANY)
    with pytest.raises(InvalidInput, match="no measurements with device pi-3; there are pi-1, pi-2"):
        read(str(path), ANY | {"device": "pi-3"})

    chosen = read(str(path), ANY | {"device": "pi-2"})
    assert len(chosen.measurements) == 2
    assert chosen.where == (f"{path}:7", f"{path}:8")


@pytest.fixture
def database(tmp_path):
    """A store with the measurements, one of which no reader can read."""
    path = tmp_path / "dynasplit.sqlite"
    with closing(SqlStore(f"sqlite:///{path}")) as store:
        store.write(
            [
                Arrival(
                    device=item.device, boot="boot", sequence=number, received_at=float(number), content=item,
                    body=item.to_json(),
                )
                for number, item in enumerate(EVERYTHING)
            ]
        )  # fmt: skip
    return path


@pytest.mark.parametrize("source", ["sqlite:///{path}", "{path}"])
def test_a_database_is_read_through_the_store(database, source):
    recorded = read(source.format(path=database), ANY)

    assert recorded.measurements == tuple(EVERYTHING)
    assert recorded.where[3] == f"sqlite:///{database}: measurement 3 of pi-1, boot boot"


def test_a_stored_measurement_that_cannot_be_is_named_or_skipped(database):
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE measurements SET body = json_set(body, '$.cost.cloud_ms', -1) WHERE sequence = 2")

    with pytest.raises(InvalidInput, match="measurement 2 of pi-1, boot boot: cost: cloud_ms must be 0 or more"):
        read(str(database), ANY)

    assert len(read(str(database), ANY, skip_bad=True).measurements) == len(EVERYTHING) - 1


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(InvalidInput, match=r"gone.sqlite: there is no such file"):
        read(f"sqlite:///{tmp_path}/gone.sqlite", ANY)

    assert list(tmp_path.iterdir()) == []


def test_somebody_elses_database_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    before = path.read_bytes()

    with pytest.raises(InvalidInput, match="holds no measurements of dynasplit"):
        read(str(path), ANY)

    assert path.read_bytes() == before


def test_a_database_that_is_away_is_a_missing_service_and_keeps_its_password():
    with pytest.raises(ServiceMissing) as away:
        read("postgresql://me:secret@127.0.0.1:9/dynasplit", ANY)

    assert "secret" not in str(away.value)


def test_other_addresses_are_refused():
    with pytest.raises(InvalidInput, match="mysql"):
        read("mysql://127.0.0.1/dynasplit", ANY)


def test_where_nothing_has_a_tag_that_is_said(make_pool):
    with pytest.raises(InvalidInput, match="no measurements with run x; there are those without one"):
        read(str(make_pool()), ANY | {"run": "x"})


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1:1", "https://secret@host/path"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url):
    with pytest.raises(InvalidInput, match="give a --token instead") as refusal:
        read(url, ANY)

    assert "secret" not in str(refusal.value)
