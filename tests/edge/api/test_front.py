"""The front always answers: while a head hangs, the disk is full, callers hang up or too many come."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator

import pytest

from edge.api.listening import listening_on_port
from edge.api.web_server import make_server
from edge.runners.port import RunnersHere, open_fake
from edge.telemetry.outbox import OutboxFailed
from protocol.inference import Message, pack_request
from protocol.messages import RecordKind
from protocol.tensors import Tensor

DESCRIPTIONS = (
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/digits",
    "/v2/models/digits/config",
    "/v2/models/digits/ready",
    "/v2/models/stats",
)


class Hanging(RunnersHere):
    """Runs no head before it may."""

    def __init__(self) -> None:
        super().__init__(opener=open_fake)
        self.entered, self.leave = threading.Event(), threading.Event()

    def head(self, *arguments, **limit):
        with self._lock:
            self.entered.set()
            self.leave.wait(20)
        return super().head(*arguments, **limit)


class Front:
    """A device behind the real server."""

    def __init__(self, device, port: int) -> None:
        self.device, self._port = device, port
        self._connections: list[http.client.HTTPConnection] = []

    def connect(self) -> http.client.HTTPConnection:
        self._connections.append(http.client.HTTPConnection("127.0.0.1", self._port, timeout=20))
        return self._connections[-1]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def get(self, path: str) -> int:
        connection = self.connect()
        connection.request("GET", path)
        return connection.getresponse().status

    def ask(self, inputs, **parameters) -> http.client.HTTPConnection:
        """Sends an inference, whose answer is not read."""
        tensors = tuple(Tensor(name, array) for name, array in inputs.items())
        wire = pack_request(Message(tensors, parameters))
        connection = self.connect()
        connection.request("POST", "/v2/models/digits/infer", body=wire.body, headers=dict(wire.headers))
        return connection


@pytest.fixture
def hanging() -> Hanging:
    return Hanging()


@pytest.fixture
def front(make_device, digits, table_for, row, hanging) -> Iterator[Front]:
    """One whose heads hang; one request may wait."""
    device = make_device(runners=hanging, max_waiting=1)
    device.source.add(digits)
    device.push(table_for(digits, rows=(row(digits.manifest.operator_count, digits),)))
    with listening_on_port("127.0.0.1", 0) as listening:
        server = make_server(device.app, listening, threads=6)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        made = Front(device, listening.getsockname()[1])
        yield made
        hanging.leave.set()
        made.close()
        server.trigger.pull_trigger(server.close)
        thread.join(20)
        server.task_dispatcher.shutdown()


def test_while_a_head_hangs_all_descriptions_answer(front, hanging, inputs, wait_until):
    running = front.ask(inputs)
    assert hanging.entered.wait(20)
    waiting = front.ask(inputs)
    wait_until(lambda: front.device.turns.waiting == 1)
    assert {front.get(path) for path in DESCRIPTIONS} == {200}
    hanging.leave.set()
    assert (running.getresponse().status, waiting.getresponse().status) == (200, 200)


def test_a_full_queue_says_when_to_come_again(front, hanging, inputs, wait_until):
    kept = [front.ask(inputs)]
    assert hanging.entered.wait(20)
    kept.append(front.ask(inputs))
    wait_until(lambda: front.device.turns.waiting == 1)
    reply = front.ask(inputs, deadline_ms=100).getresponse()
    assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
    assert "1 requests are waiting" in json.loads(reply.read())["error"]
    refused = front.device.records()
    assert [(record["violation"], "waiting" in record["refused"]) for record in refused] == [(True, True)]


def test_a_caller_that_hangs_up_frees_its_place(front, hanging, inputs, wait_until):
    running = front.ask(inputs)
    assert hanging.entered.wait(20)
    impatient = front.ask(inputs, deadline_ms=100)
    wait_until(lambda: front.device.turns.waiting == 1)
    impatient.close()

    def taken() -> bool:
        """The server notices as soon as its loop gets round to it."""
        connection = front.ask(inputs)
        connection.sock.settimeout(0.2)
        try:
            return connection.getresponse().status != 429
        except TimeoutError:
            return True

    wait_until(taken)
    hanging.leave.set()
    assert running.getresponse().status == 200
    wait_until(lambda: any("hung up" in record["refused"] for record in front.device.records()))


def test_with_a_full_disk_it_answers_all_the_same(serving, inputs, monkeypatch):
    def full(*_: object) -> None:
        raise OutboxFailed("the disk is full")

    monkeypatch.setattr(serving.outbox, "append", full)
    assert serving.infer(inputs).status_code == 200
    assert serving.client.get("/v2/health/ready").status_code == 200
    assert serving.records(RecordKind.INFERENCE) == []


def test_without_what_runs_networks_it_lives_but_is_not_ready(serving):
    serving.runners.close()
    assert serving.client.get("/v2/health/live").status_code == 200
    reply = serving.client.get("/v2/health/ready")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
    assert "runner is closed" in reply.get_json()["error"]


def test_an_answer_leaves_and_its_caller_runs_before_the_lesson_begins(serving, inputs, monkeypatch):
    happened = []
    monkeypatch.setattr("edge.api.inferring.os.sched_yield", lambda: happened.append("others run"))
    monkeypatch.setattr(serving.agent, "learn", lambda _network: happened.append("lesson"))

    response = serving.infer(inputs)
    assert response.status_code == 200 and response.get_data()
    assert happened == []

    response.close()
    assert happened == ["others run", "lesson"]
