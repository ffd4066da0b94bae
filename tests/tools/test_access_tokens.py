"""Tokens and the audit from the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from werkzeug.serving import make_server

from cloud.app import create_app
from cloud.settings import BackendSettings
from cloud.store.memory import MemoryStore
from tools.cli import main

OPERATOR = "operator-token"


@pytest.fixture
def dynasplit(tmp_path) -> Iterator[Callable[..., int]]:
    """Runs a verb against a backend on loopback, by default with the operator's token."""
    settings = BackendSettings(data_dir=tmp_path / "cloud", operator_token=OPERATOR, node_busy_watts=40.0)
    server = make_server("127.0.0.1", 0, create_app(settings, store=MemoryStore()), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield lambda *words, token=OPERATOR: main([*words, "--backend", url, "--token", token])
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def made(dynasplit, capsys) -> Callable[..., str]:
    def make(name: str, *scopes: str) -> str:
        wanted = [word for scope in scopes for word in ("--scope", scope)]
        assert dynasplit("token", "create", name, *wanted) == 0
        return capsys.readouterr().out.strip()

    return make


def test_a_token_that_was_made_opens_what_it_may_until_it_is_revoked(dynasplit, made, capsys):
    reading, admin = made("reader", "read"), made("boss", "admin")

    assert dynasplit("job", "list", "nobody", token=reading) == 2
    assert "not registered" in capsys.readouterr().err
    assert dynasplit("token", "list", token=reading) == 2
    assert "takes scope admin" in capsys.readouterr().err
    assert dynasplit("token", "revoke", "reader", token=admin) == 0
    capsys.readouterr()
    assert dynasplit("job", "list", "nobody", token=reading) == 2
    assert "not good here" in capsys.readouterr().err


def test_the_list_tells_what_each_may_and_how_long(dynasplit, made, capsys):
    made("ci", "write", "infer")
    dynasplit("token", "create", "guest", "--scope", "read", "--expires", "12h", "--json", "-")
    facts = json.loads(capsys.readouterr().out)
    dynasplit("token", "revoke", "ci")
    capsys.readouterr()

    assert dynasplit("token", "list") == 0

    told = capsys.readouterr().err
    assert "ci: infer, write; revoked on" in told
    assert "guest: read; good until 2" in told and "never used" in told
    assert facts["name"] == "guest" and facts["token"] not in told


@pytest.mark.parametrize("text", ["30", "0d", "-1d", "1w", "1.5h", "tomorrow"])
def test_a_stretch_of_time_that_is_none_is_refused(dynasplit, capsys, text):
    assert dynasplit("token", "create", "ci", "--scope", "read", f"--expires={text}") == 2
    assert "30d" in capsys.readouterr().err


def test_a_name_is_given_once(dynasplit, made, capsys):
    made("ci", "read")

    assert dynasplit("token", "create", "ci", "--scope", "read") == 2

    assert "choose another name" in capsys.readouterr().err


def test_the_audit_tells_who_changed_what(dynasplit, made, capsys):
    made("ci", "read")
    dynasplit("token", "revoke", "ci")
    capsys.readouterr()

    assert dynasplit("audit", "--limit", "1", "--json", "-") == 0

    captured = capsys.readouterr()
    (line,) = json.loads(captured.out)
    assert (line["who"], line["what"], line["status"]) == ("operator", "DELETE /api/v1/tokens/ci", 204)
    assert "operator from 127.0.0.1: DELETE /api/v1/tokens/ci" in captured.err


def test_so_many_lines_are_not_told_at_once(dynasplit, capsys):
    assert dynasplit("audit", "--limit", "1001") == 2

    assert "between 1 and 1000" in capsys.readouterr().err
