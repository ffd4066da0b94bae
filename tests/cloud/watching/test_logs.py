"""What a log line says."""

import json
import logging

import pytest

from cloud.watching.logs import REQUEST, JsonLines, LogFormat, TextLines, facts, formatter, take_over
from cloud.watching.sparing import Sparing


def record(message, *arguments, **more):
    logger = logging.getLogger("cloud.test")
    return logger.makeRecord(
        "cloud.test", logging.WARNING, "file", 1, message, arguments, more.get("exc_info"), extra=more.get("extra")
    )


@pytest.fixture
def request_id():
    before = REQUEST.set("r-1")
    yield "r-1"
    REQUEST.reset(before)


def test_a_json_line_is_one_object_with_its_facts(request_id):
    line = JsonLines().format(record("%s has gone\nfor good", "pi-1", extra=facts(device="pi-1", cut=None)))

    assert "\n" not in line
    said = json.loads(line)
    assert said.pop("at").endswith("+00:00")
    assert said == {
        "level": "WARNING",
        "logger": "cloud.test",
        "message": "pi-1 has gone\nfor good",
        "request_id": request_id,
        "device": "pi-1",
    }


def test_facts_cannot_pass_for_what_the_line_says():
    said = json.loads(JsonLines().format(record("true", extra=facts(message="false", level="none"))))

    assert said["message"] == "true"
    assert said["level"] == "WARNING"


def test_a_json_line_holds_the_traceback():
    try:
        raise ValueError("no")
    except ValueError as error:
        caught = (type(error), error, error.__traceback__)

    said = json.loads(JsonLines().format(record("a request failed", exc_info=caught)))

    assert said["traceback"].endswith("ValueError: no\n")


def test_a_line_for_people_ends_with_the_request_if_there_is_one(request_id):
    assert TextLines().format(record("gone")).endswith("WARNING cloud.test: gone [r-1]")
    REQUEST.set("")
    assert TextLines().format(record("gone")).endswith("WARNING cloud.test: gone")


def test_lines_of_others_look_like_ours_where_they_are_for_machines():
    logger, handler = logging.Logger("gunicorn.error"), logging.StreamHandler()
    logger.addHandler(handler)

    take_over(logger, LogFormat.TEXT)
    assert handler.formatter is None
    take_over(logger, LogFormat.JSON)
    assert isinstance(handler.formatter, type(formatter(LogFormat.JSON)))


def test_what_happens_often_is_told_once_an_interval_with_its_count(caplog):
    now = [100.0]
    sparing = Sparing(logging.getLogger("cloud.test"), interval_s=60, clock=lambda: now[0])

    for _ in range(1000):
        sparing.log(logging.WARNING, "Late", "no time")
    sparing.log(logging.WARNING, "Away", "no database")
    now[0] += 60
    sparing.log(logging.WARNING, "Late", "still none")

    assert caplog.messages == [
        "Late: no time",
        "Away: no database",
        "Late: still none (and 999 more since the last such line)",
    ]
