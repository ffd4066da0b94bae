"""`dynasplit explain`, as a user meets it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from planner.choosing.candidates import Candidates
from planner.choosing.explanation import explain
from planner.choosing.strategies import Request
from protocol.configuration import Configuration, Provenance
from protocol.link import Link
from protocol.table import Row, Table
from tools.cli import main

LAST = 9
LINK = Link(rtt_ms=2.0, up_bytes_per_ms=100.0, down_bytes_per_ms=100.0)


def row(cut: int, head_ms: float, head_mj: float, *, mhz: int = 1800) -> Row:
    sends = cut < LAST
    return Row(
        configuration=Configuration(cut=cut, cpu_khz=mhz * 1000),
        head_ms=head_ms,
        head_mj=head_mj,
        wait_w=2.0 * sends,
        up_bytes=(1000 - 100 * cut) * sends,
        down_bytes=100 * sends,
        cloud_ms=4.0 * sends,
        cloud_node_mj=1000.0 * sends,
        cloud_active_mj=None if sends else 0.0,
        accuracy=0.9,
        provenance={"head_ms": Provenance.EMULATED},
    )


ROWS = (row(0, 1, 4), row(5, 35, 100), row(LAST, 100, 400), row(LAST, 300, 300, mhz=600))
TABLE = Table(network="digits", bundle="b" * 64, device="pi", link=LINK, rows=ROWS)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(TABLE.to_json()))
    return str(path)


@pytest.fixture
def facts(table, capsys):
    def asking(*words: str, code: int = 0) -> dict:
        assert main(["explain", "--table", table, "--json", "-", *words]) == code
        return json.loads(capsys.readouterr().out)

    return asking


def whys(facts: dict) -> dict[int, str]:
    return {each["row"]: each["why"] for each in facts["candidates"]}


def test_the_candidates_are_printed_with_what_each_lost_by(table, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["explain", "--table", table, "--deadline", "150"]) == 0
    text = capsys.readouterr().err
    assert "lowest energy in time" in text and "late by" in text and "dearer by" in text
    assert "its margin is" in text and "cut 5, 1800 MHz" in text
    assert "emulated, estimated" in " ".join(text.split())


def test_only_so_many_rows_are_printed_and_it_says_how_many_are_not(table, capsys):
    main(["explain", "--table", table, "--limit", "1"])
    assert "3 more rows" in capsys.readouterr().err


def test_the_json_holds_all_of_them(facts):
    content = facts("--deadline", "150", "--limit", "1")
    assert (content["network"], content["chosen"], len(content["candidates"])) == ("digits", 2, 4)


def test_circumstances_change_what_is_chosen_and_why(facts):
    assert whys(facts("--deadline", "150", "--cloud-away"))[0] == "cloud_away"
    assert whys(facts("--min-cut", "2"))[0] == "cut_too_early"
    assert whys(facts("--bytes-left", "600"))[0] == "too_many_bytes"
    assert facts("--deadline", "310", "--clock", "1800", "--switch-ms", "20")["chosen"] == 2
    assert facts("--behind", "250,inf")["chosen"] == 2
    assert facts("--strategy", "fastest", "--account", "edge")["chosen"] == 0


def test_a_slower_link_prices_the_rows_anew(facts):
    slow = facts("--strategy", "fastest", "--rtt", "500", "--uplink", "0.008", "--downlink", "0.8")
    assert slow["link"] == {"rtt_ms": 500.0, "up_bytes_per_ms": 1.0, "down_bytes_per_ms": 100.0}
    assert slow["chosen"] == 2


def test_where_no_row_would_serve_it_says_why_and_fails(facts):
    content = facts("--min-accuracy", "0.95", code=1)
    assert content["chosen"] is None and "0.95" in content["refused"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--deadline", "0"], "--deadline"),
        (["--deadline", "nan"], "--deadline"),
        (["--limit", "-1"], "--limit"),
        (["--min-accuracy", "2"], "min_accuracy"),
        (["--min-cut", "-1"], "min_cut"),
        (["--bytes-left", "-1"], "bytes_left"),
        (["--uplink", "0"], "--uplink"),
        (["--rtt", "inf"], "--rtt"),
        (["--clock", "600"], "--switch-ms"),
        (["--clock", "-1", "--switch-ms", "5"], "--clock"),
        (["--clock", "600", "--switch-ms", "-5"], "switching"),
        (["--behind", "1,x"], "--behind"),
        (["--behind", "nan"], "--behind"),
        (["--behind", "5,-inf"], "--behind"),
        (["--clock", "600", "--switch-ms", "inf"], "switching"),
        (["--account", "edge_active"], "edge_active"),
        (["--json", "/nowhere/at/all.json"], "/nowhere"),
    ],
)
def test_bad_input_is_told_in_one_line(table, capsys, words, reason):
    assert main(["explain", "--table", table, *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert reason in line


def test_what_is_no_table_is_refused(tmp_path, capsys):
    path = tmp_path / "no.json"
    path.write_text("{}")
    assert main(["explain", "--table", str(path)]) == 2
    assert "holds no table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"), [([], "--network"), (["--network", "digits", "--rtt", "5"], "--rtt goes with --table")]
)
def test_an_agent_is_asked_for_a_network_and_by_its_own_circumstances(capsys, words, reason):
    assert main(["explain", "--agent", "http://127.0.0.1:9", *words]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("status", [401, 403])
def test_who_has_not_the_devices_token_is_told_which_it_is_and_how_to_give_it(capsys, status):
    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_error(status)

        def log_message(self, *_):
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert main(["explain", "--agent", url, "--network", "digits"]) == 2
        server.shutdown()
        thread.join()
    said = capsys.readouterr().err
    assert "operator_token" in said and "DYNASPLIT_AGENT_TOKEN" in said and "--token" in said


def test_an_agent_that_is_not_there_is_a_missing_service(capsys):
    assert main(["explain", "--agent", "http://127.0.0.1:9", "--network", "digits"]) == 4


@pytest.fixture
def agent():
    """A server that answers with what `says` holds, and keeps what it was asked."""
    asked, says = [], {}

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(says).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked, says
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_agent_is_asked_what_it_would_do_now(agent, capsys):
    url, asked, says = agent
    says.update(explain("fastest", Candidates.of(ROWS, LINK), Request(30.0)).to_json())
    words = ["--deadline", "30", "--strategy", "fastest", "--json", "-"]
    assert main(["explain", "--agent", url, "--network", "digits", *words]) == 0
    assert asked == [("/v2/models/digits/explain", {"parameters": {"deadline_ms": 30.0, "strategy": "fastest"}})]
    assert json.loads(capsys.readouterr().out)["chosen"] == 0


@pytest.mark.parametrize("wrong", [{}, {"candidates": 3}, {"candidates": [{}]}, {"candidates": []}])
def test_an_answer_that_is_no_explanation_is_refused(agent, capsys, wrong):
    url, _, says = agent
    says.update(wrong)
    assert main(["explain", "--agent", url, "--network", "digits"]) == 2
    assert "is it ours" in capsys.readouterr().err
