"""What is sent is counted as it is sent: retries and failed calls too, and nothing that never left."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from edge.offload.cloud import AllowanceSpent, CloudFailed, RemoteCloud, TailCall
from edge.offload.transport import HttpTransport
from protocol.inference import Message, Wire, pack_request
from protocol.tensors import Tensor

WIRE = Wire({}, b"x" * 100)


class Ration:
    """Allows so many bytes, and counts them."""

    def __init__(self, allowed: float = float("inf")) -> None:
        self.allowed = allowed
        self.sent = 0

    def check(self, nbytes: int) -> None:
        if self.sent + nbytes > self.allowed:
            raise AllowanceSpent("no more today")

    def take(self, nbytes: int) -> None:
        self.check(nbytes)
        self.sent += nbytes


class Echo(BaseHTTPRequestHandler):
    """Says whether it likes the path; hangs up on `/second` whenever it is asked for the first, third, … time."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Echo.asked += self.path == "/second"
        if self.path == "/second" and Echo.asked % 2:
            self.close_connection = True
            return
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_body_counts_once_answered_or_refused(url):
    ration = Ration()
    transport = HttpTransport(url, token="t", ration=ration)
    assert transport.post("/good", WIRE, timeout_s=10).sent_bytes == 100
    with pytest.raises(CloudFailed) as refused:
        transport.post("/bad", WIRE, timeout_s=10)
    transport.close()
    assert refused.value.sent_bytes == 100
    assert ration.sent == 200


def test_a_body_that_had_to_be_sent_again_counts_twice_and_only_if_it_may(url):
    ration = Ration(allowed=350)
    transport = HttpTransport(url, token="t", ration=ration)
    assert transport.post("/second", WIRE, timeout_s=10).sent_bytes == 200
    assert ration.sent == 200
    with pytest.raises(AllowanceSpent) as spent:
        transport.post("/second", WIRE, timeout_s=10)
    assert spent.value.sent_bytes == 100
    assert ration.sent == 300
    transport.close()
    Echo.asked = 0


def test_what_found_nobody_does_not_count():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.server_close()
    ration = Ration()
    transport = HttpTransport(f"http://127.0.0.1:{server.server_address[1]}", token="t", ration=ration)
    with pytest.raises(CloudFailed, match="cannot be reached") as unreached:
        transport.post("/good", WIRE, timeout_s=1)
    assert unreached.value.sent_bytes == 0
    assert ration.sent == 0


def test_a_spent_allowance_opens_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        transport = HttpTransport(f"http://127.0.0.1:{listening.getsockname()[1]}", token="t", ration=Ration(allowed=0))
        with pytest.raises(AllowanceSpent):
            transport.post("/good", WIRE, timeout_s=10)
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_spent_allowance_does_not_make_the_cloud_look_broken(url):
    cloud = RemoteCloud(HttpTransport(url, token="t", ration=Ration(allowed=0)))
    call = TailCall("digits", "b" * 64, pack_request(Message((Tensor("b0", np.zeros((1, 4), np.float32)),), {})), ())
    for _ in range(10):
        with pytest.raises(AllowanceSpent):
            cloud.tail(call, timeout_ms=1000)
    assert cloud.available("digits")
