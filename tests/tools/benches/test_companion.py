"""A measurement in a process of its own that is asked again and again."""

from __future__ import annotations

import pytest

from models.running.runner import RunnerFailed
from tools.benches.cloud.bare import Loop
from tools.benches.cloud.clients import Clients
from tools.benches.companion import Companion


@pytest.fixture
def request_file(tmp_path):
    (tmp_path / "request").write_bytes(b"GET / HTTP/1.1\r\n\r\n")
    return str(tmp_path / "request")


def test_every_question_is_answered_by_the_same_process(request_file):
    with Companion(Clients, port=1, request=request_file) as clients:
        first = clients.ask(seconds=0.0, connections=0)
        clients.begin(seconds=0.0, connections=2)
        second = clients.answer()

    assert (first["errors"], first["told"]) == (0, [])
    assert second["errors"] == 2
    assert "ConnectionRefusedError" in second["told"][0]


@pytest.mark.exhaustive
def test_what_cannot_be_measured_is_told_in_one_line(tmp_path):
    with (
        Companion(Loop, bundle=str(tmp_path), cut=1, cache="") as loop,
        pytest.raises(RunnerFailed, match=r"bundle\.json"),
    ):
        loop.ask(seconds=0.0)


@pytest.mark.exhaustive
def test_a_process_that_broke_is_told_with_its_last_words(tmp_path):
    with (
        Companion(Clients, port=1, request=str(tmp_path / "none")) as clients,
        pytest.raises(RunnerFailed, match=r"ended: FileNotFoundError.*none"),
    ):
        clients.ask(seconds=0.0, connections=0)
