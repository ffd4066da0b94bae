"""`dynasplit optimize`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from planner.search import plan
from planner.space import Space
from protocol.configuration import Codec, Provenance
from protocol.link import Link
from protocol.measurement import FIGURES, Cost, Measurement
from protocol.table import Table
from tools.cli import main

LAST = 4
SPACE = Space(
    cuts=tuple(range(LAST + 1)), clocks_khz=(600_000, 1_200_000, 1_800_000), codecs=(Codec.RAW, Codec.INT8_ZSTD)
)
LINK = Link(rtt_ms=2.0, up_bytes_per_ms=500.0, down_bytes_per_ms=500.0)
ROOT = Path(__file__).parents[2]


def measured(configuration, *, idle_known=True, **origin) -> Measurement:
    sends = configuration.cut < LAST
    ghz = configuration.cpu_khz / 1e6
    head_ms = configuration.cut * 30 / ghz
    up_bytes = (4000 if configuration.codec is Codec.RAW else 800) * sends
    waited_ms = (LINK.transfer_ms(up_bytes, 40), 1.5 * (LAST - configuration.cut)) if sends else (0.0, 0.0)
    cost = Cost(
        head_ms=head_ms,
        transfer_ms=waited_ms[0],
        cloud_ms=waited_ms[1],
        latency_ms=head_ms + sum(waited_ms),
        up_bytes=up_bytes,
        down_bytes=40 * sends,
        head_mj=head_ms * (2 + ghz),
        wait_mj=sum(waited_ms) * 2.5,
        cloud_node_mj=waited_ms[1] * 900,
        cloud_active_mj=waited_ms[1] * 300 if idle_known else None,
        provenance=dict.fromkeys(FIGURES, Provenance.EMULATED),
    )
    names = {"network": "digits", "bundle": "b" * 64, "device": "pi-1", "run": "first"} | origin
    return Measurement(
        configuration=configuration,
        cost=cost,
        link=LINK,
        runtime="fake",
        at=0.0,
        clock_synced=True,
        accuracy=None,
        **names,
    )


def lines(measurements) -> str:
    return "".join(json.dumps(item.to_json()) + "\n" for item in measurements)


def profile(**changes) -> list[Measurement]:
    return [measured(item, **changes) for item in plan(SPACE)]


@pytest.fixture
def optimize(tmp_path, capsys):
    """Runs the verb on measurements (or on a source) and gives exit code, facts, table and what stood on stderr."""

    def run(source, *arguments):
        if not isinstance(source, str):
            (tmp_path / "m.jsonl").write_text(lines(source))
            source = str(tmp_path / "m.jsonl")
        output = tmp_path / "table.json"
        code = main(["optimize", "--measurements", source, "-o", str(output), "--json", "-", *arguments])
        captured = capsys.readouterr()
        facts = json.loads(captured.out) if code == 0 else None
        table = Table.from_json(json.loads(output.read_text())) if output.exists() else None
        return code, facts, table, captured.err

    return run


def test_measurements_become_a_table_and_facts(optimize):
    code, facts, table, told = optimize(profile())

    assert code == 0
    assert (table.network, table.bundle, table.device, table.version) == ("digits", "b" * 64, "pi-1", 0)
    assert table.link == LINK
    assert (facts["space"], facts["measured"], facts["method"]) == (SPACE.size, len(plan(SPACE)), "compose")
    assert facts["table_rows"] == len(table.rows)
    assert facts["table"] == table.digest
    assert "digits on pi-1" in told


def test_the_front_gets_slower_and_cheaper_and_carries_its_provenance(optimize):
    _, facts, _, told = optimize(profile())

    latencies = [row["latency_ms"] for row in facts["front"]]
    energies = [row["energy_mj"] for row in facts["front"]]
    assert latencies == sorted(latencies)
    assert energies == sorted(energies, reverse=True)
    assert facts["front"][-1]["configuration"]["cut"] == LAST
    assert facts["front"][-1]["provenance"] == {"latency_ms": ["emulated"], "energy_mj": ["emulated"]}
    assert facts["front"][0]["provenance"]["latency_ms"] == ["emulated", "estimated"]
    assert "emulated" in told
    assert "unknown" in told


def test_the_account_decides_the_front_but_not_the_table(optimize):
    _, node, for_node, _ = optimize(profile())
    _, edge, for_edge, _ = optimize(profile(), "--account", "edge")

    assert for_node.digest == for_edge.digest
    assert edge["account"] == "edge"
    assert edge["front"] != node["front"]


def test_energy_above_idle_is_refused_where_nobody_knows_it(optimize):
    code, _, table, told = optimize(profile(idle_known=False), "--account", "edge_active")

    assert code == 2
    assert table is None
    assert "idle power" in told


def test_a_bad_line_is_named(optimize, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text(lines(profile()[:2]) + '\n{"schema": 1}\n')

    code, _, table, told = optimize(str(path))

    assert code == 2
    assert table is None
    assert "bad.jsonl:4" in told.replace("\n", "")


@pytest.mark.parametrize("name", ["network", "device", "bundle"])
def test_of_several_origins_one_must_be_chosen(optimize, name):
    mixed = [*profile(), *profile(**{name: "other"})]

    code, _, _, told = optimize(mixed)
    chosen, _, table, _ = optimize(mixed, f"--{name}", "other")

    assert code == 2
    assert f"choose with --{name}" in told
    assert "other" in told
    assert chosen == 0
    assert getattr(table, name) == "other"


def test_a_run_can_be_picked(optimize):
    again = [measured(item, run="second") for item in plan(SPACE) if item.cpu_khz == 1_800_000]

    _, facts, _, _ = optimize([*profile(), *again], "--run", "second")

    assert facts["measurements"] == len(again)


@pytest.mark.parametrize(
    ("source", "arguments", "complaint"),
    [
        ([], (), "no measurements"),
        ("gone.jsonl", (), "gone.jsonl cannot be read"),
        ("sqlite:///x.db", (), "sqlite:///x.db"),
        ([measured(plan(SPACE)[0])], ("--device", "pi-2"), "pi-1"),
        ([measured(plan(SPACE)[0])], ("--metric", "top5"), "--metric is of an accuracy; add --accuracy"),
    ],
)
def test_what_cannot_be_used_is_said(optimize, source, arguments, complaint):
    code, _, _, told = optimize(source, *arguments)

    assert code == 2
    assert complaint in told


def test_gaps_are_refused_or_left_out_loudly(optimize):
    gappy = [item for item in profile() if (item.configuration.cut, item.configuration.codec) != (2, Codec.INT8_ZSTD)]

    code, _, _, told = optimize(gappy)
    partial, facts, table, warned = optimize(gappy, "--partial")

    assert code == 2
    assert "cut 2" in told
    assert partial == 0
    assert facts["left_out"] == 3
    assert "3 configurations are not covered" in warned
    assert len(table.rows) == facts["table_rows"]


def test_an_output_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "m.jsonl").write_text(lines(profile()))

    code = main(["optimize", "--measurements", str(tmp_path / "m.jsonl"), "-o", str(tmp_path / "gone" / "table.json")])

    assert code == 2
    assert "cannot write" in capsys.readouterr().err


class Backend(BaseHTTPRequestHandler):
    """Serves the measurements that match the query, to operators."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != "Bearer secret":
            self.answer(401, b'{"error": "the token is unknown here"}')
            return
        wanted = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        stored = [*profile(), *profile(network="other")]
        found = [item for item in stored if all(getattr(item, name) == value for name, value in wanted.items())]
        self.answer(200, lines(found).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def backend():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_measurements_come_from_a_backend_too(optimize, backend):
    code, facts, table, _ = optimize(backend, "--token", "secret", "--network", "digits")

    assert code == 0
    assert facts["measurements"] == len(plan(SPACE))
    assert table.network == "digits"


def test_a_token_that_nobody_issued_is_refused(optimize, backend):
    code, _, _, told = optimize(backend, "--token", "guess")

    assert code == 2
    assert "token" in told


def test_a_backend_that_is_away_is_a_missing_service(optimize):
    code, _, _, told = optimize("http://127.0.0.1:9")

    assert code == 4
    assert "127.0.0.1:9" in told


def test_it_runs_by_path(tmp_path):
    (tmp_path / "m.jsonl").write_text(lines(profile()))
    command = [sys.executable, str(ROOT / "tools" / "optimize.py"), "--measurements", "m.jsonl", "-o", "table.json"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert Table.from_json(json.loads((tmp_path / "table.json").read_text())).device == "pi-1"
