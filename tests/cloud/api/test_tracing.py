"""A request's id is in its answer and in what is logged about it."""

import json
import logging

from cloud.watching.logs import REQUEST, JsonLines
from protocol.errors import DeadlineHopeless


def test_the_callers_id_comes_back(backend):
    assert backend.call("GET", "/v2", headers={"X-Request-Id": "agent-7"}).headers["X-Request-Id"] == "agent-7"


def test_who_gives_none_gets_one_of_its_own(backend):
    first, second = (backend.call("GET", "/v2").headers["X-Request-Id"] for _ in range(2))

    assert first and second and first != second


def test_an_id_that_no_log_should_hold_is_replaced(backend):
    for bad in ("a b", "x" * 65, 'a"b', "é"):
        assert backend.call("GET", "/v2", headers={"X-Request-Id": bad}).headers["X-Request-Id"] != bad


def test_what_is_refused_has_an_id_too(backend):
    for path, token in (("/nowhere", "operator-token"), ("/v2", "wrong")):
        assert backend.call("GET", path, token=token, headers={"X-Request-Id": "r-1"}).headers["X-Request-Id"] == "r-1"


def test_a_request_is_one_line_at_debug_that_tells_what_became_of_it(backend, caplog):
    lines, log = [], logging.getLogger("cloud.api.tracing")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(json.loads(JsonLines().format(record)))
    log.addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG, "cloud.api.tracing"):
            backend.call("GET", "/v2/models/none/ready", headers={"X-Request-Id": "r-1"})
    finally:
        log.removeHandler(handler)

    (line,) = lines
    assert line["request_id"] == "r-1"
    assert (line["status"], line["network"], line["caller"]) == (404, "none", "operator")
    assert line["ms"] > 0


def test_what_is_logged_after_a_request_is_not_about_it(backend):
    backend.call("GET", "/v2", headers={"X-Request-Id": "r-1"})

    assert REQUEST.get() == ""


def test_a_storm_of_honest_refusals_is_one_warning(backend, caplog):
    def hopeless():
        raise DeadlineHopeless("2 ms were left")

    backend.app.view_functions["models_v2.server"] = hopeless

    assert {backend.call("GET", "/v2").status_code for _ in range(50)} == {503}
    assert [(line.levelname, line.message) for line in caplog.records] == [
        ("WARNING", "DeadlineHopeless: 2 ms were left")
    ]
