"""The way to the cloud over real sockets: what is tried once more, what is late, and what is not trusted."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge.offload.cloud import CloudFailed, CloudLate, RemoteCloud, TailCall
from edge.offload.names import Names, look_up
from edge.offload.transport import HttpTransport
from protocol.errors import InvalidInput
from protocol.inference import Wire

WIRE = Wire({}, b"x" * 100)


class Handler(BaseHTTPRequestHandler):
    """Answers with the statuses of its server's list, one after the other, then always with 200."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        asked: Asked = self.server.asked  # type: ignore[attr-defined]
        asked.times += 1
        asked.connections.add(self.client_address)
        status = asked.statuses.pop(0) if asked.statuses else 200
        if not status:
            self.close_connection = True
            return
        asked.together()
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Asked:
    """What a server was asked."""

    def __init__(self, statuses: tuple[int, ...], together: Callable[[], object]) -> None:
        self.statuses = list(statuses)
        self.together = together
        self.times = 0
        self.connections: set[object] = set()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def serve(stack: ExitStack) -> Callable[..., tuple[str, Asked]]:
    def serving(
        *statuses: int, tls: ssl.SSLContext | None = None, together: Callable[[], object] = int
    ) -> tuple[str, Asked]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.asked = Asked(statuses, together)  # type: ignore[attr-defined]
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for close in (server.server_close, thread.join, server.shutdown):
            stack.callback(close)
        return f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}", server.asked  # type: ignore[attr-defined]

    return serving


@pytest.fixture
def transport(stack: ExitStack) -> Callable[..., HttpTransport]:
    def opened(url: str, **more: object) -> HttpTransport:
        made = HttpTransport(url, token="t", **more)  # type: ignore[arg-type]
        stack.callback(made.close)
        return made

    return opened


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with its first connection what it is told, and closes when the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            connected, _ = listening.accept()
            with connected:
                connected.settimeout(20)
                talk(connected)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("status", [502, 503, 0], ids=["bad gateway", "unavailable", "reset"])
def test_what_nobody_worked_on_is_tried_once_more(serve, transport, status):
    url, asked = serve(status)
    assert transport(url).post("/", WIRE, timeout_s=10).reply.body == b"{}"
    assert asked.times == 2


@pytest.mark.parametrize("status", [502, 0])
def test_and_no_more_than_once(serve, transport, status):
    url, asked = serve(status, status, status)
    with pytest.raises(CloudFailed, match="answered 502" if status else "broke"):
        transport(url).post("/", WIRE, timeout_s=10)
    assert asked.times == 2


@pytest.mark.parametrize("status", [500, 404, 429])
def test_what_was_worked_on_is_not_tried_again(serve, transport, status):
    url, asked = serve(status)
    with pytest.raises(CloudFailed, match=f"answered {status}"):
        transport(url).post("/", WIRE, timeout_s=10)
    assert asked.times == 1


def test_nothing_is_tried_again_when_no_time_is_left(serve, transport):
    now_s = [0.0]
    url, asked = serve(503, together=lambda: now_s.__setitem__(0, 0.99))
    with pytest.raises(CloudFailed, match="answered 503"):
        transport(url, clock=lambda: now_s[0]).post("/", WIRE, timeout_s=1.0)
    assert asked.times == 1


def test_a_refused_connection_is_tried_once_more(transport):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    pauses: list[float] = []
    with pytest.raises(CloudFailed, match="cannot be reached"):
        transport(url, sleep=pauses.append).post("/", WIRE, timeout_s=1.0)
    assert len(pauses) == 1


def test_a_server_that_accepts_and_never_answers_is_late_and_not_asked_again(transport):
    asked, leave = [], threading.Event()

    def silent(connected: socket.socket) -> None:
        asked.append(connected.recv(1 << 16))
        leave.wait(20)

    with raw_server(silent) as url:
        with pytest.raises(CloudLate, match="did not answer within 100 ms"):
            transport(url).post("/", WIRE, timeout_s=0.1)
        leave.set()
    assert len(asked) == 1


def test_who_waits_for_the_cloud_need_not_once_the_device_ends(transport):
    """The server has the request and says nothing; nothing is sent anew."""
    asked, leave, failures = threading.Event(), threading.Event(), []

    def silent(connected: socket.socket) -> None:
        connected.recv(1 << 16)
        asked.set()
        leave.wait(20)

    def ask(there: HttpTransport) -> None:
        with pytest.raises(CloudFailed, match="the device is ending") as failure:
            there.post("/", WIRE, timeout_s=1000)
        failures.append(failure.value)

    with raw_server(silent) as url:
        there = transport(url)
        waiting = threading.Thread(target=ask, args=(there,))
        waiting.start()
        assert asked.wait(20)
        there.close()
        waiting.join(20)
        assert [failure.sent_bytes for failure in failures] == [len(WIRE.body)]
        leave.set()
    with pytest.raises(CloudFailed, match="the device is ending"):
        there.post("/", WIRE, timeout_s=1000)


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"], ids=["in the head", "in the body"]
)
def test_a_server_that_trickles_is_late(transport, start):
    gone = threading.Event()

    def trickle(connected: socket.socket) -> None:
        connected.recv(1 << 16)
        try:
            connected.sendall(start)
            while not gone.wait(0.02):
                connected.sendall(b"x")
        except OSError:
            pass

    with raw_server(trickle) as url:
        try:
            with pytest.raises(CloudLate):
                transport(url).post("/", WIRE, timeout_s=0.2)
        finally:
            gone.set()


def test_a_name_that_nobody_resolves_in_time_is_late_and_asked_for_once(transport, serve):
    url, _ = serve()
    answered, lookups = threading.Event(), []

    def hang(host: str, port: int):
        lookups.append(host)
        answered.wait(20)
        return look_up("127.0.0.1", port)

    port = int(url.rpartition(":")[2])
    hanging = transport(f"http://cloud.example:{port}", names=Names("cloud.example", port, lookup=hang))
    for _ in range(3):
        with pytest.raises(CloudLate):
            hanging.post("/", WIRE, timeout_s=0.05)
    assert lookups == ["cloud.example"]
    answered.set()
    assert hanging.post("/", WIRE, timeout_s=10).reply.body == b"{}"


def test_a_name_that_does_not_exist_is_named(transport):
    def unknown(host: str, port: int):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    nowhere = transport("http://cloud.example:80", names=Names("cloud.example", 80, lookup=unknown))
    with pytest.raises(CloudFailed, match=r"cannot be reached at cloud\.example:80: Name or service not known"):
        nowhere.post("/", WIRE, timeout_s=1)


def test_requests_at_the_same_time_have_a_connection_each_and_keep_them(serve, transport):
    both = threading.Barrier(2, timeout=20)
    url, asked = serve(together=both.wait)
    shared = transport(url)
    for _ in range(3):
        threads = [threading.Thread(target=shared.post, args=("/", WIRE), kwargs={"timeout_s": 20}) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (asked.times, len(asked.connections)) == (6, 2)


def test_after_a_pause_one_request_alone_tries_a_cloud_that_failed():
    now_s, asking, answer = [0.0], threading.Event(), threading.Event()

    class Transport:
        def post(self, *_: object, **__: object) -> Wire:
            if now_s[0]:
                asking.set()
                answer.wait(20)
            raise CloudFailed("away")

    cloud = RemoteCloud(Transport(), clock=lambda: now_s[0])
    call = TailCall("digits", "b", WIRE, ())

    def ask() -> None:
        with pytest.raises(CloudFailed):
            cloud.tail(call, timeout_ms=1000)

    for _ in range(3):
        ask()
    assert not cloud.available("digits")
    now_s[0] = 60.0
    assert cloud.available("digits")
    trial = threading.Thread(target=ask)
    trial.start()
    assert asking.wait(20)
    assert not cloud.available("digits")
    answer.set()
    trial.join()


def test_over_tls_the_server_must_be_known(serve, transport, certificates):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "server.pem")
    url, _ = serve(tls=tls)
    trusting = transport(url, ca=certificates / "ca.pem")
    assert trusting.post("/", WIRE, timeout_s=10).reply.body == b"{}"
    with pytest.raises(CloudFailed, match="certificate verify failed"):
        transport(url).post("/", WIRE, timeout_s=10)


def test_a_file_without_certificates_is_refused_by_name(tmp_path):
    empty = tmp_path / "ca.pem"
    with pytest.raises(InvalidInput, match=r"ca\.pem holds no certificates"):
        HttpTransport("https://cloud", token="t", ca=empty)
    empty.write_text("nothing")
    with pytest.raises(InvalidInput, match=r"ca\.pem holds no certificates"):
        HttpTransport("https://cloud", token="t", ca=empty)


@pytest.mark.parametrize("token", ["ab\ncd", "ю"])
def test_what_cannot_stand_in_a_head_is_a_failure_of_the_cloud_like_any_other(serve, stack, token):
    url, asked = serve()
    transport = HttpTransport(url, token=token)
    stack.callback(transport.close)
    with pytest.raises(CloudFailed, match="cannot be sent") as failure:
        transport.post("/x", WIRE, timeout_s=5)
    assert token not in str(failure.value)
    assert asked.times == 0
