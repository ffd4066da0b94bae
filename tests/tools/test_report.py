"""`dynasplit report`, as a user meets it: from a file, a backend and a database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.serving import WSGIRequestHandler, make_server

from cloud.app import create_app
from cloud.broker.publishing import MemoryPublisher
from cloud.settings import BackendSettings
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.records.port import Arrival
from cloud.store.sql import SqlStore
from protocol.configuration import Account, Configuration, Provenance
from protocol.link import Link
from protocol.measurement import Cost
from protocol.messages import Inference
from protocol.signing import generate_private_key, sign
from protocol.table import Row, Table
from tools.cli import main
from tools.reports.identities import Identities
from tools.reports.question import read_period
from tools.reports.sums import Mean
from tools.stack import free_port

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
PERIOD = ["--since", "2026-03-08", "--until", "2026-03-11"]
TOKEN = "operator-token"
KINDS = {
    "head_ms": Provenance.EMULATED,
    "head_mj": Provenance.EMULATED,
    "wait_mj": Provenance.EMULATED,
    "transfer_ms": Provenance.EMULATED,
    "cloud_ms": Provenance.MEASURED,
    "cloud_node_mj": Provenance.ESTIMATED,
}
ALONE = Cost(
    300.0, 0.0, 0.0, 305.0, 0, 0, 1_200.0, 0.0, 0.0, 0.0, {name: KINDS[name] for name in ("head_ms", "head_mj")}
)
SENT = Cost(5.0, 20.0, 80.0, 110.0, 60_000, 400, 100.0, 300.0, 72_000.0, None, KINDS)
"""1.2 J on the device alone; 72.4 J with the cloud's node, of which the device spends 0.4 J."""


def inference(**change: Any) -> Inference:
    base = Inference(
        network="vgg16",
        bundle="b" * 64,
        strategy="dynasplit",
        account=Account.EDGE_NODE,
        configuration=Configuration(22, 1_800_000),
        cost=ALONE,
        deadline_ms=400.0,
        violation=False,
        fallback="",
        refused="",
        table_digest="t" * 64,
        at=NOON,
        clock_synced=True,
    )
    return replace(base, **change)


def ours(count: int, **change: Any) -> list[Inference]:
    return [inference(**change)] * count


def cloud_only(count: int, **change: Any) -> list[Inference]:
    return [inference(**{"strategy": "cloud-only", "cost": SENT} | change)] * count


def refused(**change: Any) -> Inference:
    return inference(configuration=None, cost=None, violation=True, refused="hopeless", **change)


def arrivals(found: list[Inference], *, device: str = "pi-1", received_at: float | None = None) -> list[Arrival]:
    return [
        Arrival(device, "boot-1", number, received_at or each.at + 1, each.to_json(), each)
        for number, each in enumerate(found)
    ]


def table(*, device: str = "pi-1", cloud_only_row: bool = True) -> Table:
    """Cloud-only spends 12 + 4 W x 100 ms + 72,000 mJ = 72.412 J over this table's link."""
    link = Link(rtt_ms=0.0, up_bytes_per_ms=3_000.0, down_bytes_per_ms=1e9)
    kinds = {"head_mj": Provenance.EMULATED, "wait_w": Provenance.EMULATED, "cloud_node_mj": Provenance.ESTIMATED}
    sends = Row(Configuration(0, 1_800_000), 5.0, 12.0, 4.0, 60_000, 0, 80.0, 72_000.0, None, None, kinds)
    alone = Row(Configuration(22, 1_800_000), 300.0, 1_200.0, 0.0, 0, 0, 0.0, 0.0, None, None, {})
    return Table("vgg16", "b" * 64, device, link, (sends, alone) if cloud_only_row else (alone,))


def lines_of(found: list[Arrival]) -> str:
    return "".join(
        json.dumps(
            {
                "device": each.device,
                "boot": each.boot,
                "sequence": each.sequence,
                "received_at": each.received_at,
                "inference": dict(each.body),
            }
        )
        + "\n"
        for each in found
    )


class Report:
    """Runs the verb; `facts` are its JSON, `said` what people read."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def file(self, *found: Arrival) -> str:
        path = self._folder / "records.jsonl"
        path.write_text(lines_of(list(found)))
        return str(path)

    def code(self, *arguments: str) -> int:
        return main(["report", *PERIOD, *arguments])

    def facts(self, *arguments: str) -> dict[str, Any]:
        assert self.code(*arguments, "--json", "-") == 0
        captured = self._capsys.readouterr()
        self.said = " ".join(captured.err.split())
        return json.loads(captured.out)

    def refusal(self, *arguments: str, code: int = 2) -> str:
        assert self.code(*arguments) == code
        (line,) = self._capsys.readouterr().err.strip().splitlines()
        return str(line)


@pytest.fixture
def report(tmp_path, capsys) -> Report:
    return Report(tmp_path, capsys)


def test_savings_are_told_against_requests_that_really_ran_so(report):
    file = report.file(*arrivals(ours(30) + cloud_only(10) + cloud_only(10, violation=True)))

    facts = report.facts("--from", file, "--price", "0.30", "--currency", "EUR")

    total = facts["total"]
    assert total["spent_kwh"] == pytest.approx(30 * 1.2 / 3.6e6)
    assert total["baseline_kwh"] == pytest.approx(30 * 72.4 / 3.6e6)
    assert total["saved_kwh"] == pytest.approx(30 * 71.2 / 3.6e6)
    assert total["money"]["saved"] == pytest.approx(0.30 * 30 * 71.2 / 3.6e6)
    assert facts["lines"][0]["baseline"]["from"] == "requests"
    assert facts["lines"][0]["baseline"]["requests"] == 20
    assert "dynasplit spent 98 % less than cloud-only would have: 593 mWh, 0.00018 EUR." in report.said
    assert "cloud-only 10 of its own 20 (50 %)" in report.said


def test_every_figure_carries_the_kinds_that_are_in_it(report):
    file = report.file(*arrivals(ours(3) + cloud_only(12)))

    facts = report.facts("--from", file)

    assert facts["total"]["provenance"] == {
        "late": ["emulated"],
        "sent_bytes": [],
        "spent_kwh": ["emulated"],
        "baseline_kwh": ["emulated", "estimated"],
        "saved_kwh": ["emulated", "estimated"],
    }
    assert "spent: emulated; cloud-only: emulated + estimated" in report.said


def test_a_figure_whose_kind_nobody_told_is_of_unknown_kind(report):
    file = report.file(*arrivals(ours(1, cost=replace(ALONE, provenance={})) + cloud_only(12)))

    assert report.facts("--from", file)["total"]["provenance"]["spent_kwh"] == ["unknown"]


def test_few_requests_of_the_baseline_say_less_than_the_table(report, tmp_path):
    file = report.file(*arrivals(ours(30) + cloud_only(3)))
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table().to_json()))

    facts = report.facts("--from", file, "--table", str(path))

    baseline = facts["lines"][0]["baseline"]
    assert (baseline["from"], baseline["table"]) == ("table", table().digest)
    assert baseline["per_answer_j"] == pytest.approx(72.412)
    assert baseline["provenance"] == ["emulated", "estimated"]
    assert facts["total"]["baseline_error_kwh"] is None
    assert f"table {table().digest:.8}" in report.said


def test_few_requests_are_better_than_nothing_and_are_counted_out(report):
    file = report.file(*arrivals(ours(30) + cloud_only(1)))

    facts = report.facts("--from", file)

    assert (facts["lines"][0]["baseline"]["from"], facts["lines"][0]["baseline"]["requests"]) == ("requests", 1)
    assert facts["lines"][0]["baseline"]["standard_error_j"] is None
    assert "too few to tell how exact" in report.said


def test_an_unknown_baseline_is_said_to_be_unknown_and_what_to_do(report):
    facts = report.facts("--from", report.file(*arrivals(ours(5))), "--price", "1")

    assert facts["total"]["saved_kwh"] is None
    assert facts["total"]["money"] == {"spent": pytest.approx(6e-3 / 3.6e3), "baseline": None, "saved": None}
    assert "what cloud-only would have spent is unknown" in report.said
    assert "--table" in report.said


def test_a_table_without_such_a_row_leaves_the_baseline_unknown(report, tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table(cloud_only_row=False).to_json()))

    facts = report.facts("--from", report.file(*arrivals(ours(5))), "--table", str(path))

    assert facts["lines"][0]["baseline"]["from"] == "unknown"
    assert "no cloud-only row" in report.said


def test_a_total_compares_only_the_lines_whose_baseline_is_known(report):
    known = arrivals(ours(10) + cloud_only(10))
    file = report.file(*known, *arrivals(ours(30, cost=SENT), device="pi-2"))

    total = report.facts("--from", file)["total"]

    assert (total["answers"], total["compared_answers"]) == (40, 10)
    assert total["saved_kwh"] == pytest.approx(10 * 71.2 / 3.6e6)
    assert total["saved_share"] == pytest.approx(71.2 / 72.4)
    assert "On 10 of 40 answers dynasplit spent 98 % less" in report.said


def test_spending_more_than_the_baseline_is_said_as_it_is(report):
    file = report.file(*arrivals(ours(10, cost=SENT) + [inference(strategy="edge-only")] * 10))

    facts = report.facts("--from", file, "--against", "edge-only")

    assert facts["total"]["saved_kwh"] < 0
    assert "5,933 % more than edge-only would have" in report.said


def test_late_and_refused_requests_bytes_and_fallbacks_are_counted(report):
    found = [
        *ours(5, cost=SENT),
        *ours(2, violation=True),
        refused(),
        refused(deadline_ms=None),
        *ours(1, fallback="the cloud did not answer"),
        *ours(1, deadline_ms=None),
    ]

    total = report.facts("--from", report.file(*arrivals(found)))["total"]

    counts = ("requests", "answers", "late", "refused", "with_deadline", "fallbacks", "sent_bytes", "received_bytes")
    assert [total[name] for name in counts] == [11, 9, 2, 2, 9, 1, 300_000, 2_000]
    assert "1 answer did not come about as chosen" in report.said


def test_what_the_baseline_did_not_do_itself_says_nothing_about_its_energy(report):
    file = report.file(*arrivals(ours(1) + cloud_only(10) + cloud_only(10, cost=ALONE, fallback="the cloud was away")))

    baseline = report.facts("--from", file)["lines"][0]["baseline"]

    assert (baseline["requests"], baseline["per_answer_j"]) == (10, pytest.approx(72.4))


def test_what_fell_back_while_the_cloud_was_away_saves_nothing_on_either_side(report):
    away = {"cost": ALONE, "fallback": "the cloud was away"}
    found = ours(10, cost=SENT) + ours(10, **away) + cloud_only(10) + cloud_only(10, **away)

    facts = report.facts("--from", report.file(*arrivals(found)))

    total, day = facts["total"], facts["days"][0]
    assert (total["answers"], total["compared_answers"], day["compared_answers"]) == (20, 10, 10)
    assert total["saved_kwh"] == day["saved_kwh"] == pytest.approx(0.0, abs=1e-12)
    assert total["spent_kwh"] == pytest.approx(10 * (72.4 + 1.2) / 3.6e6)
    assert "On 10 of 20 answers dynasplit spent 0 % less than cloud-only would have" in report.said
    assert "the others did not come about as chosen." in report.said
    assert "What was saved leaves them out, and cloud-only's own likewise." in report.said


def test_where_nothing_came_about_as_chosen_nothing_can_be_compared(report):
    file = report.file(*arrivals(ours(3, fallback="the cloud was away") + cloud_only(10)))

    total = report.facts("--from", file)["total"]

    assert (total["compared_answers"], total["saved_kwh"]) == (0, None)
    assert "no answer came about as chosen." in report.said


def test_sums_come_by_device_by_network_and_by_day(report):
    yesterday = NOON - 86_400
    found = [
        *arrivals(ours(2) + ours(3, network="vit", at=yesterday) + cloud_only(10, network="vit", at=yesterday)),
        *arrivals(ours(4, network="vit"), device="pi-2"),
    ]

    facts = report.facts("--from", report.file(*found))

    assert {name: sums["answers"] for name, sums in facts["devices"].items()} == {"pi-1": 5, "pi-2": 4}
    assert {name: sums["answers"] for name, sums in facts["networks"].items()} == {"vgg16": 2, "vit": 7}
    assert [(day["day"], day["answers"], day["compared_answers"]) for day in facts["days"]] == [
        ("2026-03-09", 3, 3),
        ("2026-03-10", 6, 0),
    ]
    assert facts["days"][1]["saved_kwh"] is None


def test_a_large_fleet_is_all_in_the_json_and_told_in_part(report):
    found = [each for number in range(60) for each in arrivals(ours(1), device=f"pi-{number:02}")]

    facts = report.facts("--from", report.file(*found))

    assert len(facts["lines"]) == 60
    assert "pi-39, vgg16" in report.said
    assert "pi-40, vgg16" not in report.said
    assert "… 20 more" in report.said


def test_devices_and_network_narrow_the_question(report):
    file = report.file(
        *arrivals(ours(2) + ours(3, network="vit")),
        *arrivals(ours(4), device="pi-2"),
        *arrivals(ours(8), device="pi-3"),
    )

    facts = report.facts("--from", file, "--devices", "pi-1, pi-2", "--network", "vgg16")

    assert [(line["device"], line["network"], line["answers"]) for line in facts["lines"]] == [
        ("pi-1", "vgg16", 2),
        ("pi-2", "vgg16", 4),
    ]


def test_the_period_goes_by_the_devices_clock_only_where_it_was_synchronised(report):
    found = [
        *arrivals(ours(1, at=NOON), received_at=NOON + 1e6),
        *arrivals(ours(2, at=0.0, clock_synced=False), device="pi-2", received_at=NOON),
        *arrivals(ours(4, at=NOON, clock_synced=False), device="pi-3", received_at=NOON + 1e6),
    ]

    facts = report.facts("--from", report.file(*found))

    assert set(facts["devices"]) == {"pi-1", "pi-2"}


def test_a_record_that_is_in_the_file_twice_counts_once(report):
    found = arrivals(ours(5))

    assert report.facts("--from", report.file(*found, *reversed(found)))["total"]["answers"] == 5


def test_requests_of_other_strategies_are_mentioned_and_not_counted(report):
    found = ours(2) + cloud_only(3) + [inference(strategy="pinned")] * 4

    facts = report.facts("--from", report.file(*arrivals(found)))

    assert (facts["total"]["requests"], facts["not_counted"]) == (2, {"cloud-only": 3, "pinned": 4})
    assert "Not counted as dynasplit's: 3 cloud-only, 4 pinned." in report.said


def test_the_account_says_whose_energy_counts(report):
    file = report.file(*arrivals(ours(1, cost=SENT)))

    assert report.facts("--from", file, "--account", "edge")["total"]["spent_kwh"] == pytest.approx(0.4 / 3.6e6)


def test_an_unknown_idle_power_refuses_edge_active(report):
    told = report.refusal("--from", report.file(*arrivals(ours(1, cost=SENT))), "--account", "edge_active")

    assert "vgg16 on pi-1" in told
    assert "NODE_IDLE_WATTS" in told


def test_without_a_price_there_is_no_money(report):
    facts = report.facts("--from", report.file(*arrivals(ours(1) + cloud_only(10))))

    assert (facts["total"]["money"], facts["price_per_kwh"]) == (None, None)
    assert "EUR" not in report.said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--since", "yesterday"], "--since 'yesterday'"),
        (["--since", "7"], "--since '7'"),
        (["--since=-7d"], "--since"),
        (["--since", "2026-02-30"], "2026-02-30"),
        (["--until", "7x"], "--until '7x'"),
        (["--since", "2026-03-12"], "before it begins"),
        (["--price", "nan"], "--price"),
        (["--price=-1"], "--price"),
        (["--currency", "EUR"], "--price"),
        (["--devices", ","], "--devices"),
        (["--plot", "saved.pdf"], ".html"),
        (["--plot", "/nowhere/saved.svg"], "/nowhere/saved.svg"),
        (["--json", "/nowhere/saved.json"], "/nowhere/saved.json"),
        (["--table", "/nowhere/table.json"], "/nowhere/table.json"),
        (["--devices", "pi-9"], "'pi-9' is unknown; in"),
        (["--network", "resnet"], "no inference of dynasplit for network resnet"),
        (["--since", "2026-03-11", "--until", "2026-03-12"], "no inference of dynasplit from 2026-03-11"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_answered_is_refused_in_one_line(report, arguments, named):
    file = report.file(*arrivals(ours(1)))

    assert named in report.refusal("--from", file, *arguments)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "lacks 'inference'"),
        ('{"inference": {"schema": 9}}', "newer than 1"),
        ('{"inference": 3}', "must be an object"),
        ("\xff", "not valid JSON"),
    ],
)
def test_a_bad_line_is_told_with_file_number_and_reason(report, bad, reason):
    file = report.file(*arrivals(ours(2)))
    with Path(file).open("ab") as more:
        more.write(b"\n" + bad.encode("latin-1") + b"\n")

    told = report.refusal("--from", file)

    assert f"{file}:4" in told
    assert reason in told


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("/nowhere/records.jsonl", "No such file"),
        ("/dev/zero", "not a regular file"),
        ("sqlite:////nowhere/dynasplit.sqlite", "does not exist"),
        ("sqlite+pysqlite:////tmp/nowhere.sqlite", "does not exist"),
        ("mysql://me:secret@host/db", "not supported"),
        ("http://127.0.0.1:1", "--backend"),
    ],
)
def test_a_source_that_is_none_is_refused_in_one_line(report, source, named):
    told = report.refusal("--from", source)

    assert named in told
    assert "secret" not in told


def test_an_empty_file_is_told(report):
    assert "no inference" in report.refusal("--from", report.file())


@pytest.fixture
def store() -> Iterator[Store]:
    yield MemoryStore()


class _Chunking(WSGIRequestHandler):
    """Sends what has no length in chunks, as gunicorn does."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def backend(tmp_path, store) -> Iterator[str]:
    """A real backend on a port, with a store that lies at hand."""
    settings = BackendSettings(data_dir=tmp_path / "data", operator_token=TOKEN, node_busy_watts=40.0)
    app = create_app(settings, store=store, publisher=MemoryPublisher())
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Chunking)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.exhaustive
def test_a_backend_is_asked_for_records_and_tables(report, backend, store):
    store.write(arrivals(ours(1500)) + arrivals(ours(7), device="pi-2") + arrivals(ours(9), device="pi-3"))
    store.set_desired(sign(table().with_version(3), generate_private_key()))

    facts = report.facts("--backend", backend, "--token", TOKEN, "--devices", "pi-1,pi-2")

    assert [(line["device"], line["answers"], line["baseline"]["from"]) for line in facts["lines"]] == [
        ("pi-1", 1500, "table"),
        ("pi-2", 7, "unknown"),
    ]
    assert facts["lines"][0]["baseline"]["table"] == table().with_version(3).digest
    assert facts["source"] == backend


def test_a_device_that_served_nothing_in_the_period_is_mentioned(report, backend, store):
    store.write(arrivals(ours(3)))
    store.add_device("pi-2", token_sha256="2" * 64)

    facts = report.facts("--backend", backend, "--token", TOKEN, "--devices", "pi-1,pi-2")

    assert facts["silent_devices"] == ["pi-2"]
    assert "in this period: pi-2." in report.said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--token", TOKEN], "no inference"),
        (["--token", TOKEN, "--devices", "pi-9"], "'pi-9' is unknown; in http"),
        (["--token", ""], "token"),
        (["--token", "another"], "token"),
    ],
)
def test_a_backend_that_cannot_answer_is_told_in_one_line(report, backend, arguments, named):
    assert named in report.refusal("--backend", backend, *arguments)


def test_a_backend_that_is_away_is_told_with_its_address(report):
    url = f"http://127.0.0.1:{free_port()}"

    assert url in report.refusal("--backend", url, "--token", TOKEN, code=4)


class _Breaking(BaseHTTPRequestHandler):
    """Promises more than it sends."""

    def do_GET(self) -> None:
        body = lines_of(arrivals(ours(3))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + 1000))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


def test_an_answer_that_breaks_off_is_no_report(report):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Breaking)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        told = report.refusal("--backend", f"http://127.0.0.1:{server.server_address[1]}", code=4)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert "does not answer" in told


def test_a_database_is_read_without_a_backend(report, tmp_path):
    url = f"sqlite:///{tmp_path}/store.sqlite"
    made = SqlStore(url)
    made.write(arrivals(ours(20) + cloud_only(10)))
    made.write(arrivals(ours(5), device="pi-2"))
    made.set_desired(sign(table(device="pi-2").with_version(1), generate_private_key()))
    made.close()

    facts = report.facts("--from", url)

    assert [(line["device"], line["answers"], line["baseline"]["from"]) for line in facts["lines"]] == [
        ("pi-1", 20, "requests"),
        ("pi-2", 5, "table"),
    ]


@pytest.mark.exhaustive
def test_a_report_is_drawn_in_each_format(report, tmp_path):
    file = report.file(*arrivals(ours(4) + ours(2, at=NOON - 86_400) + cloud_only(10)))
    for name in ("saved.svg", "saved.png", "saved.html"):
        report.facts("--from", file, "--plot", str(tmp_path / name))

    assert (tmp_path / "saved.png").read_bytes().startswith(b"\x89PNG")
    for name in ("saved.svg", "saved.html"):
        text = (tmp_path / name).read_text()
        assert "saved against cloud-only" in text
        assert "emulated + estimated" in text
    page = (tmp_path / "saved.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "<td>2026-03-09</td>" in page
    assert "<script" not in page


def test_a_plot_of_nothing_but_refusals_is_drawn(report, tmp_path):
    report.facts("--from", report.file(*arrivals([refused()])), "--plot", str(tmp_path / "saved.svg"))

    assert (tmp_path / "saved.svg").exists()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5_400.0), ("24h", 86_400.0), ("7d", 604_800.0), ("1.5d", 129_600.0), ("2w", 1_209_600.0)],
)
def test_a_time_may_be_told_as_so_long_ago(text, seconds):
    assert read_period(text, None, now_s=NOON).since_s == NOON - seconds


@pytest.mark.parametrize("text", ["2026-03-10T11:00+01:00", "2026-03-10T10:00Z", "2026-03-10T10:00", "20260310T10"])
def test_a_time_may_be_a_date_with_a_zone_or_in_utc(text):
    assert read_period(text, None, now_s=NOON).since_s == NOON - 7_200


@pytest.mark.parametrize("text", ["9" * 400 + "d", "0001-01-01T00:00+14:00", "99999999d"])
def test_a_time_before_the_epoch_is_its_beginning(text):
    assert read_period(text, None, now_s=NOON).since_s == 0.0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40))))
def test_identities_tell_what_is_new_and_keep_ranges(added):
    identities, known = Identities(), set()
    for origin, sequence in added:
        assert identities.add(origin, sequence) == ((origin, sequence) not in known)
        known.add((origin, sequence))
    assert len(identities) == sum((origin, sequence - 1) not in known for origin, sequence in known)


@given(st.lists(st.floats(0, 1e6), min_size=2))
def test_a_mean_from_a_stream_is_that_of_the_whole(figures):
    mean = Mean()
    for each in figures:
        mean.add(each)

    assert mean.mean == pytest.approx(np.mean(figures), abs=1e-6)
    assert mean.standard_error == pytest.approx(np.std(figures, ddof=1) / len(figures) ** 0.5, rel=1e-6, abs=1e-3)
