"""The doctor asks broker and cloud as the agent would."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from edge.settings import EdgeSettings
from protocol.errors import ServiceMissing
from protocol.signing import generate_private_key, public_key_of
from tools.doctoring.findings import Severity
from tools.doctoring.services import check_broker, check_cloud, check_time

TOKEN = "device-token"


class Backend(http.server.BaseHTTPRequestHandler):
    """Is ready, and knows one token; its clock is as far off as the server's `skew_s`."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        status = 200 if self.path.endswith("ready") else (404 if known else 401)
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() + self.server.skew_s, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.skew_s = 0.0
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(backend, tmp_path):
    def make(**changed: object) -> EdgeSettings:
        known = {
            "device": "pi-1",
            "data_dir": Path(tmp_path),
            "backend_url": f"http://127.0.0.1:{backend.server_address[1]}",
            "device_token": TOKEN,
            "broker_url": "mqtt://pi-1:secret@127.0.0.1:1",
            "operator_token": "operator",
            "operator_public_key": public_key_of(generate_private_key()),
        }
        return EdgeSettings(**{**known, **changed})

    return make


def test_a_backend_that_knows_the_device_and_the_time_is_well(settings):
    findings = list(check_cloud(settings()))

    assert [finding.severity for finding in findings] == [Severity.WELL, Severity.WELL]


def test_a_token_that_the_backend_does_not_know_is_an_error(settings):
    findings = list(check_cloud(settings(device_token="old")))

    assert findings[0].severity is Severity.ERROR
    assert "enroll" in findings[0].advice


@pytest.mark.parametrize(("skew_s", "word"), [(90.0, "behind"), (-90.0, "ahead of")])
def test_a_clock_that_is_off_is_a_warning_that_says_by_how_much(settings, backend, skew_s, word):
    backend.skew_s = skew_s

    *_, time_found = check_cloud(settings())

    assert time_found.severity is Severity.WARNING
    assert word in time_found.seen
    assert any(seconds in time_found.seen for seconds in ("89 s", "90 s", "91 s"))


def test_a_backend_that_is_away_is_one_error(settings):
    (finding,) = check_cloud(settings(backend_url="http://127.0.0.1:1"))

    assert finding.severity is Severity.ERROR
    assert "does not answer" in finding.seen


def test_a_broker_that_lets_nobody_in_says_why(settings):
    def refused(address):
        raise ServiceMissing(f"broker {address} refused the connection: Not authorized; check user and password")

    (finding,) = check_broker(settings(), login=refused)

    assert finding.severity is Severity.ERROR
    assert "Not authorized" in finding.seen
    assert "secret" not in finding.seen


def test_a_broker_that_is_away_is_an_error(settings):
    (finding,) = check_broker(settings())

    assert finding.severity is Severity.ERROR
    assert "cannot be reached" in finding.seen


def test_a_distant_broker_without_encryption_is_a_warning(settings):
    findings = list(check_broker(settings(broker_url="mqtt://pi-1:secret@broker.example"), login=lambda _address: None))

    assert [finding.severity for finding in findings] == [Severity.WELL, Severity.WARNING]
    assert "mqtts" in findings[1].advice


@pytest.mark.parametrize(("synced", "severity"), [(True, Severity.WELL), (False, Severity.WARNING)])
def test_whether_a_time_server_keeps_the_clock_is_told(synced, severity):
    class Wall:
        def now(self) -> tuple[float, bool]:
            return 1.8e9, synced

    (finding,) = check_time(Wall())

    assert finding.severity is severity
