"""Enrolling from both sides: the operator's code, and the file that the agent starts from."""

from __future__ import annotations

import json
import resource
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from cloud.app import create_app
from cloud.broker.accounts import MemoryAccounts
from cloud.broker.publishing import MemoryPublisher
from cloud.settings import BackendSettings
from cloud.store.memory import MemoryStore
from edge.settings import EdgeSettings
from protocol.errors import ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.settings import load
from protocol.signing import generate_private_key, public_key_of
from tools.cli import main
from tools.web import Web

OPERATOR = "operator-token"
Run = Callable[..., int]


@pytest.fixture
def accounts() -> MemoryAccounts:
    return MemoryAccounts()


@pytest.fixture
def url(tmp_path, accounts) -> Iterator[str]:
    """A backend that lets devices enrol, on loopback."""
    settings = BackendSettings(
        data_dir=tmp_path / "cloud",
        operator_token=OPERATOR,
        node_busy_watts=40.0,
        broker_url="mqtt://backend:x@127.0.0.1:1",
        broker_accounts="dynamic-security",
        device_broker_url="mqtt://broker.example:1883",
        operator_public_key=public_key_of(generate_private_key()),
    )
    app = create_app(settings, store=MemoryStore(), publisher=MemoryPublisher(), accounts=accounts)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    monkeypatch.setattr("tools.enroll._PAUSES_S", (0.0, 0.0))


@pytest.fixture
def enrol(url, tmp_path) -> Run:
    def running(code: str, *more: str) -> int:
        return main(["enroll", "--backend", url, "--code", code, "-o", str(tmp_path / "edge.toml"), *more])

    return running


def issue(url: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["enroll", "--issue", "pi-1", "--backend", url, "--token", OPERATOR, *more]) == 0
    return capsys.readouterr().out.split()[-1]


def test_the_command_that_is_printed_makes_settings_that_the_agent_takes(url, tmp_path, capsys, accounts):
    assert main(["enroll", "--issue", "pi-1", "--backend", url, "--token", OPERATOR]) == 0
    command = capsys.readouterr().out.split()

    assert main([*command[1:], "-o", str(tmp_path / "edge.toml"), "--data-dir", str(tmp_path / "data")]) == 0

    path: Path = tmp_path / "edge.toml"
    settings = load(EdgeSettings, toml=path, environment={})
    assert path.stat().st_mode & 0o777 == 0o600
    assert (settings.device, settings.backend_url, settings.board) == ("pi-1", url, "linux")
    assert settings.data_dir == tmp_path / "data"
    address = BrokerAddress.parse(settings.broker_url)
    assert accounts.passwords == {address.username: address.password}


def test_local_callers_get_a_token_of_their_own(url, tmp_path, capsys, enrol):
    enrol(issue(url, capsys))

    token = load(EdgeSettings, toml=tmp_path / "edge.toml", environment={}).operator_token
    assert token != OPERATOR
    assert len(token) >= 32


def test_settings_that_are_there_are_left_alone_and_the_code_stays_good(url, tmp_path, capsys, enrol):
    (tmp_path / "edge.toml").write_text("mine")
    code = issue(url, capsys)

    assert enrol(code) == 2
    assert (tmp_path / "edge.toml").read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert enrol(code, "--force") == 0


def test_a_folder_that_cannot_be_written_does_not_use_up_the_code(url, tmp_path, capsys, enrol):
    code = issue(url, capsys)

    assert main(["enroll", "--backend", url, "--code", code, "-o", str(tmp_path / "none" / "edge.toml")]) == 2
    assert enrol(code) == 0


def test_a_full_disk_does_not_use_up_the_code(url, tmp_path, capsys, enrol):
    """As far as the largest file that a process may write can stand for a disk."""
    code = issue(url, capsys)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        assert enrol(code) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "still good" in capsys.readouterr().err
    assert list(tmp_path.glob("*edge*")) == []
    assert enrol(code) == 0


def test_a_board_that_nobody_knows_does_not_use_up_the_code(url, capsys, enrol):
    code = issue(url, capsys)

    assert enrol(code, "--board", "pi-17") == 2
    assert "emulated-pi4" in capsys.readouterr().err
    assert enrol(code) == 0


@pytest.mark.parametrize(
    ("code", "exit_code", "said"), [("AAAAA-AAAAA", 2, "nobody issued this code"), ("what?", 2, "a code has 10")]
)
def test_a_wrong_code_is_said_in_one_line(enrol, tmp_path, capsys, code, exit_code, said):
    assert enrol(code) == exit_code

    told = capsys.readouterr().err
    assert (said in told, told.count("\n")) == (True, 1)
    assert not (tmp_path / "edge.toml").exists()


def test_a_used_code_says_so(url, enrol, capsys):
    code = issue(url, capsys)
    enrol(code)

    assert enrol(code, "--force") == 2
    assert "used already" in capsys.readouterr().err


def test_an_answer_that_got_lost_is_asked_for_again(url, enrol, tmp_path, capsys, monkeypatch):
    code, send, lost = issue(url, capsys), Web.send, []

    def loses_the_first(web, method, path, content):
        answer = send(web, method, path, content)
        if not lost:
            lost.append(answer)
            raise ServiceMissing("the connection broke off")
        return answer

    monkeypatch.setattr(Web, "send", loses_the_first)
    assert enrol(code) == 0

    assert load(EdgeSettings, toml=tmp_path / "edge.toml", environment={}).device_token == lost[0]["device_token"]


def test_a_broker_that_is_away_leaves_nothing_behind(url, enrol, tmp_path, capsys, accounts):
    code = issue(url, capsys)
    accounts.away = True

    assert enrol(code) == 4
    assert not (tmp_path / "edge.toml").exists()
    accounts.away = False
    assert enrol(code) == 0


def test_a_backend_that_is_away_is_a_missing_service(tmp_path, capsys):
    output = str(tmp_path / "edge.toml")

    assert main(["enroll", "--backend", "http://127.0.0.1:9", "--code", "AAAAA-AAAAA", "-o", output]) == 4
    assert "is it running" in capsys.readouterr().err


def test_a_registered_device_needs_replace(url, enrol, capsys):
    enrol(issue(url, capsys))

    assert main(["enroll", "--issue", "pi-1", "--backend", url, "--token", OPERATOR]) == 2
    assert "dynasplit enroll --issue pi-1 --replace" in capsys.readouterr().err
    assert enrol(issue(url, capsys, "--replace"), "--force") == 0


def test_a_file_that_this_user_may_not_look_at_is_named_and_the_code_stays_good(url, enrol, tmp_path, capsys, hide):
    code = issue(url, capsys)
    hidden = tmp_path / "private" / "edge.toml"
    hide(hidden)

    assert main(["enroll", "--backend", url, "--code", code, "-o", str(hidden)]) == 2

    assert f"{hidden} may not be looked at by this user" in capsys.readouterr().err
    assert enrol(code) == 0


def test_machines_get_the_code_as_json(url, capsys):
    assert main(["enroll", "--issue", "pi-1", "--backend", url, "--token", OPERATOR, "--json", "-"]) == 0

    assert set(json.loads(capsys.readouterr().out)) == {"device", "code", "expires_at"}


def test_what_root_writes_goes_to_whom_the_folder_belongs_to(url, enrol, tmp_path, capsys, monkeypatch):
    handed: list[tuple[object, ...]] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.chown", lambda *given: handed.append(given))

    assert enrol(issue(url, capsys)) == 0

    folder = tmp_path.stat()
    assert handed == [(tmp_path / "edge.toml", folder.st_uid, folder.st_gid)]


@pytest.fixture
def https(certificates) -> Iterator[str]:
    """A server with a certificate that only `ca.pem` knows, and that has no code."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "server.pem")
    server = make_server("127.0.0.1", 0, Response('{"error": "nobody issued this code"}', 404), ssl_context=tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("trusting", "said"), [(True, "nobody issued this code"), (False, "cannot be trusted")])
def test_a_backend_is_asked_only_when_it_is_trusted(https, certificates, tmp_path, capsys, trusting, said):
    words = ["enroll", "--backend", https, "--code", "AAAAA-AAAAA", "-o", str(tmp_path / "edge.toml")]

    assert main([*words, *(["--ca", str(certificates / "ca.pem")] if trusting else [])]) == 2

    told = capsys.readouterr().err
    assert (said in told, told.splitlines()[-1].startswith("dynasplit enroll: ")) == (True, True)
