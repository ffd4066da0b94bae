"""What every cloud must do for the agent, in memory and over HTTP, with and without an emulated link."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from edge.offload.cloud import Cloud, CloudFailed, CloudLate, FakeCloud, RemoteCloud, TailCall
from edge.offload.transport import EmulatedLink, HttpTransport
from protocol.inference import HEADER_LENGTH, Message, Wire, pack_reply, pack_request
from protocol.link import Link
from protocol.tensors import Array, Tensor, TensorSpec

BUNDLE = "b" * 64
OUTPUT = np.arange(10, dtype=np.float32).reshape(1, 10)
CALL = TailCall(
    "digits",
    BUNDLE,
    pack_request(Message((Tensor("b0", np.zeros((1, 4), np.float32)),), {"cut": 4, "bundle": BUNDLE})),
    (TensorSpec("scores", "FP32", (1, 10)),),
)
PARAMETERS = {
    "bundle": BUNDLE,
    "cloud_ms": 0.0,
    "cloud_node_mj": 3.0,
    "cloud_ms_provenance": "measured",
    "cloud_energy_provenance": "estimated",
}


class Handler(BaseHTTPRequestHandler):
    """Answers with a good reply."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        wire = pack_reply(Message((Tensor("scores", OUTPUT),), PARAMETERS))
        self.send_response(200)
        for name, value in wire.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(wire.body)))
        self.end_headers()
        self.wfile.write(wire.body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Slow(Handler):
    """Answers when nobody waits any more."""

    leave = threading.Event()

    def do_POST(self) -> None:
        self.leave.wait(20)
        self.close_connection = True


@dataclass
class Made:
    cloud: Cloud
    close: Callable[[], None]


def in_memory(late: bool) -> Made:
    def answer(_: TailCall) -> dict[str, Array]:
        return {"scores": OUTPUT}

    transfer_ms = 1e6 if late else 1.0
    return Made(
        FakeCloud(answer, sleep=lambda _: None, transfer_ms=transfer_ms, cloud_ms=0.0, cloud_node_mj=3.0), lambda: None
    )


def _server(handler: type[BaseHTTPRequestHandler]) -> tuple[ThreadingHTTPServer, threading.Thread]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    return server, thread


def over_http(late: bool, link: Link | None = None) -> Made:
    Slow.leave.clear()
    server, thread = _server(Slow if late else Handler)
    transport = HttpTransport(f"http://127.0.0.1:{server.server_address[1]}", token="t")

    def close() -> None:
        Slow.leave.set()
        transport.close()
        server.shutdown()
        thread.join()
        server.server_close()

    return Made(RemoteCloud(EmulatedLink(transport, link) if link else transport), close)


def over_an_emulated_link(late: bool) -> Made:
    return over_http(late, Link(rtt_ms=2.0, up_bytes_per_ms=1e6, down_bytes_per_ms=1e6))


MAKERS = [in_memory, over_http, over_an_emulated_link]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Cloud]]:
    made: list[Made] = []

    def opened(*, late: bool = False) -> Cloud:
        made.append(request.param(late))
        return made[-1].cloud

    yield opened
    for each in made:
        each.close()


def test_a_tail_s_outputs_come_back_with_their_cost(make):
    reply = make().tail(CALL, timeout_ms=10_000)
    assert np.array_equal(reply.outputs["scores"], OUTPUT)
    assert reply.cloud_node_mj == 3.0 and reply.cloud_active_mj is None
    assert reply.up_bytes == len(CALL.wire.body) and reply.down_bytes > 0
    assert reply.round_trip_ms >= reply.transfer_ms >= 0


def test_an_answer_that_does_not_come_in_time_is_late(make):
    cloud = make(late=True)
    with pytest.raises(CloudLate, match="did not answer within 50 ms"):
        cloud.tail(CALL, timeout_ms=50)


def test_a_cloud_that_answers_is_available(make):
    cloud = make()
    cloud.tail(CALL, timeout_ms=10_000)
    assert cloud.available("digits")


# Over HTTP alone: all the ways in which a server can be no use


def respond(*, status: int = 200, body: bytes | None = None, headers: dict[str, str] | None = None, **change: object):
    """A handler whose reply differs from a good one."""
    message = Message((Tensor("scores", OUTPUT),), {**PARAMETERS, **change})
    wire = pack_reply(message)
    content = wire.body if body is None else body

    class Answers(Handler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in {**wire.headers, "Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

    return Answers


class Dies(Handler):
    """Hangs up without a word."""

    def do_POST(self) -> None:
        self.close_connection = True


class Dribbles(Handler):
    """Sends a byte now and then: each arrives soon enough, the whole never does."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        deadline = time.monotonic() + 10
        try:
            while time.monotonic() < deadline:
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.01)
        except OSError:
            self.close_connection = True


def other_output(array: Array, name: str = "scores") -> bytes:
    return pack_reply(Message((Tensor(name, array),), PARAMETERS)).body


@pytest.fixture
def serve() -> Iterator[Callable[[type[BaseHTTPRequestHandler]], RemoteCloud]]:
    closing: list[Callable[[], None]] = []

    def serving(handler: type[BaseHTTPRequestHandler]) -> RemoteCloud:
        server, thread = _server(handler)
        transport = HttpTransport(f"http://127.0.0.1:{server.server_address[1]}", token="t")
        closing.extend([transport.close, server.shutdown, thread.join, server.server_close])
        return RemoteCloud(transport)

    yield serving
    for close in closing:
        close()


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (Dies, "broke"),
        (respond(status=500, body=b'{"error": "out of memory"}'), "answered 500: out of memory"),
        (respond(status=404, body=b"<html>"), "answered 404"),
        (respond(status=302, body=b"", headers={"Location": "http://127.0.0.1:9/"}), "answered 302"),
        (respond(headers={"Content-Length": "999999"}), "broke"),
        (respond(body=b"nonsense"), "makes no sense"),
        (respond(body=b""), "makes no sense"),
        (respond(headers={HEADER_LENGTH: "7"}), "makes no sense"),
        (respond(headers={"Content-Encoding": "zstd"}), "makes no sense"),
        (respond(bundle="c" * 64), "for bundle ccc"),
        (respond(cloud_ms=1e9), "more than the whole round trip"),
        (respond(cloud_ms=-1), "cloud_ms"),
        (respond(cloud_ms="fast"), "cloud_ms"),
        (respond(cloud_node_mj=None), "cloud_node_mj"),
        (respond(cloud_energy_provenance="guessed"), "cloud_energy_provenance"),
    ],
)
def test_what_cannot_be_used_is_a_failure_with_a_reason(serve, handler, reason):
    with pytest.raises(CloudFailed, match=reason):
        serve(handler).tail(CALL, timeout_ms=10_000)


@pytest.mark.parametrize(
    "array", [OUTPUT[:, :5], OUTPUT.astype(np.float64), OUTPUT.reshape(10)], ids=["side", "dtype", "rank"]
)
def test_outputs_of_another_type_or_shape_are_not_believed(serve, array):
    wire = pack_reply(Message((Tensor("scores", array),), PARAMETERS))
    with pytest.raises(CloudFailed, match="scores"):
        serve(respond(body=wire.body, headers=dict(wire.headers))).tail(CALL, timeout_ms=10_000)


def test_an_output_that_nobody_knows_is_not_believed(serve):
    wire = pack_reply(Message((Tensor("other", OUTPUT),), PARAMETERS))
    with pytest.raises(CloudFailed, match="scores"):
        serve(respond(body=wire.body, headers=dict(wire.headers))).tail(CALL, timeout_ms=10_000)


def test_a_reply_that_dribbles_in_is_late(serve):
    with pytest.raises(CloudLate):
        serve(Dribbles).tail(CALL, timeout_ms=100)


def test_a_port_where_nobody_listens_is_named(serve):
    server, thread = _server(Handler)
    server.shutdown()
    thread.join()
    server.server_close()
    cloud = RemoteCloud(HttpTransport(f"http://127.0.0.1:{server.server_address[1]}", token="t"))
    with pytest.raises(CloudFailed, match=f"cannot be reached at 127.0.0.1:{server.server_address[1]}"):
        cloud.tail(CALL, timeout_ms=1000)


def test_a_connection_is_kept_and_one_that_the_server_closed_is_replaced_silently(serve):
    connections: list[object] = []

    class Counts(Handler):
        def setup(self) -> None:
            connections.append(self.client_address)
            super().setup()

        def do_POST(self) -> None:
            super().do_POST()
            self.close_connection = len(connections) == 1 and self.headers["X-Last"] is not None

    cloud = serve(Counts)
    for _ in range(5):
        cloud.tail(CALL, timeout_ms=10_000)
    assert len(connections) == 1
    closing = TailCall(
        CALL.network, CALL.bundle, Wire({**CALL.wire.headers, "X-Last": "1"}, CALL.wire.body), CALL.outputs
    )
    cloud.tail(closing, timeout_ms=10_000)
    cloud.tail(CALL, timeout_ms=10_000)
    assert len(connections) == 2


def test_a_cloud_that_keeps_failing_is_not_available_for_a_while(serve):
    cloud = serve(respond(status=500))
    for _ in range(3):
        assert cloud.available("digits")
        with pytest.raises(CloudFailed):
            cloud.tail(CALL, timeout_ms=10_000)
    assert not cloud.available("digits")
    assert cloud.available("another network")
