"""The doctor asks the agent as an application would."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from tools.doctoring.agent import check_agent, runs
from tools.doctoring.findings import Severity


class Api(http.server.BaseHTTPRequestHandler):
    """An agent's API, or something else's, as the server's `answers` say: (status, content) by path."""

    def do_GET(self) -> None:
        status, content = self.server.answers.get(self.path, (404, {"error": "no"}))
        body = json.dumps(content).encode()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.answers = {"/v2": (200, {"device": {"device": "pi-1"}}), "/v2/health/ready": (200, {})}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(make_settings, api):
    return make_settings(port=api.server_address[1])


def test_an_agent_that_serves_is_well(settings):
    (found,) = check_agent(settings)

    assert found.severity is Severity.WELL
    assert runs(settings)


@pytest.mark.exhaustive
def test_an_agent_that_is_not_ready_says_why(settings, api):
    api.answers["/v2/health/ready"] = (503, {"error": "the runner has ended"})

    (found,) = check_agent(settings)

    assert found.severity is Severity.ERROR
    assert "the runner has ended" in found.seen


@pytest.mark.exhaustive
def test_an_accelerator_that_the_agent_leaves_alone_is_a_warning_with_its_reason(settings, api):
    health = {"std": {"usable": False, "reason": "it is not on the bus"}, "max": {"usable": True, "reason": ""}}
    api.answers["/v2"] = (200, {"device": {"device": "pi-1", "accelerator_health": health}})

    _, found = check_agent(settings)

    assert found.severity is Severity.WARNING
    assert "not on the bus" in found.seen


def test_a_host_that_can_be_none_does_not_run_an_agent(make_settings):
    assert not runs(make_settings(host="a..b"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("content", [{}, {"device": None}, {"device": {"device": "pi-2"}}, ["no object"]])
def test_a_port_that_something_else_has_taken_is_an_error(settings, api, content):
    api.answers["/v2"] = (200, content)

    (found,) = check_agent(settings)

    assert found.severity is Severity.ERROR
    assert "'port'" in found.advice


@pytest.mark.parametrize("where", ["port", "socket"])
def test_an_agent_that_does_not_run_is_a_warning(make_settings, tmp_path, where):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = make_settings(port=port, socket=tmp_path / "agent.sock" if where == "socket" else None)

    (found,) = check_agent(settings)

    assert found.severity is Severity.WARNING
    assert "systemctl start" in found.advice
    assert not runs(settings)
