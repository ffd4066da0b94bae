"""`dynasplit bench cloud`: what it says and when it fails; its figures stand in the docs, not in tests."""

from __future__ import annotations

import json

import pytest

from tools.benches.cloud import clients, network, serving
from tools.benches.figures import middle
from tools.benches.loopback import Caller
from tools.cli import main


@pytest.fixture
def found(monkeypatch):
    """Makes the figures, so that nothing is measured."""

    def making(*, share: float = 0.95, overhead_ms: float = 1.0, errors: int = 0):
        names = ("tail_ms", "request_ms", "loopback_ms", "bare_cpu_ms", "bare_alone_cpu_ms", "request_cpu_ms")
        facts = {name: middle([20.0]) for name in names}
        facts |= {"share": middle([share]), "share_of_one_alone": middle([0.97]), "overhead_ms": middle([overhead_ms])}
        facts |= {"crowd": {"clients": 200, "served": 9, "refused": 4, "errors": errors}}
        facts |= {"tail_macs": 9e8, "boundary_bytes": 602112, "least_overhead_ms": middle([0.7])}
        facts["heavy"] = {"tail_macs": 5.8e9, "request_cpu_ms": middle([150.0]), "share": middle([0.98])}
        monkeypatch.setattr(serving, "facts", lambda *_: facts)

    return making


def test_every_target_stands_beside_its_figure(found, tmp_path, capsys):
    found()

    assert main(["bench", "cloud", "--quick", "--json", str(tmp_path / "facts.json")]) == 0

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert [target["met"] for target in facts["targets"]] == [True] * 3
    assert "9 served, 4 asked to come again, 0 errors" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("missed", [{"share": 0.89}, {"overhead_ms": 1.6}, {"errors": 1}])
def test_a_target_that_is_missed_is_exit_code_1(found, missed):
    found(**missed)

    assert main(["bench", "cloud", "--quick"]) == 1


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize(("drawn", "least_macs"), [(network.LIGHT, 0.5e9), (network.HEAVY, 5e9)])
def test_the_drawn_networks_have_the_boundary_that_is_told(tmp_path, drawn, least_macs):
    manifest = drawn.make(tmp_path).manifest

    assert manifest.cut(network.CUT).boundary_bytes == 602_112
    assert manifest.tail_work(network.CUT).total_macs > least_macs


def test_clients_tell_answers_refusals_and_errors_apart(monkeypatch, tmp_path):
    replies = iter(
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 7.0),
            (b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\n\r\n", 1.0),
            (b"HTTP/1.1 503 Busy\r\nServer: x\r\n\r\n{}", 1.0),
        ]
    )
    monkeypatch.setattr(Caller, "__init__", lambda *_: None)
    monkeypatch.setattr(Caller, "__exit__", lambda *_: None)

    def ask(*_):
        try:
            return next(replies)
        except StopIteration:
            raise ConnectionResetError("gone") from None

    monkeypatch.setattr(Caller, "ask", ask)
    (tmp_path / "request").write_bytes(b"GET")

    found = clients.Clients(1, str(tmp_path / "request"))(seconds=20.0, connections=1)

    assert (found["served_ms"], found["refused"], found["errors"]) == ([7.0], 1, 2)
    assert "503" in found["told"][0]
