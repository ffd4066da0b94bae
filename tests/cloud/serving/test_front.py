"""The worker in front of the app, under gunicorn: how requests arrive, and who cannot keep others out."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import select
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading

import pytest

from protocol.inference import pack_request

pytestmark = pytest.mark.system

AUTHORIZED = "Host: x\r\nAuthorization: Bearer secret-of-the-operator\r\n"
INDEX = f"POST /v2/repository/index HTTP/1.1\r\n{AUTHORIZED}".encode()
PATIENCE_S = 30.0
MOST_UNDER_WAY = 32 + 32
"""Threads, and who may wait for one."""
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def answer(connection: socket.socket) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def ended(connection: socket.socket) -> bool:
    """Whether the server has hung up, after what it may have said."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(1 << 16):
            pass
    return True


def test_requests_that_come_together_are_answered_in_turn(server):
    with server.connect() as connection:
        connection.sendall(LIVE + INDEX + b"Content-Length: 2\r\n\r\n{}" + LIVE)

        received = b""
        while received.count(b'{"live":true}') < 2:
            received += connection.recv(1 << 16)

    assert received.count(b'{"live":true}') == 2
    assert received.index(b"[]") > received.index(b'{"live":true}')


def test_a_request_may_come_byte_by_byte(server):
    with server.connect() as connection:
        for byte in INDEX + b"Content-Length: 2\r\n\r\n{}":
            connection.sendall(bytes([byte]))

        assert answer(connection) == (200, b"[]\n")


def test_a_body_in_chunks_is_read_and_the_connection_goes_on(server):
    with server.connect() as connection:
        connection.sendall(INDEX + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n" + LIVE)

        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 2 or not received.endswith(b"}\n"):
            received += connection.recv(1 << 16)

    assert received.index(b"[]\n") < received.index(b'{"live":true}')


def test_who_waits_for_the_word_to_send_gets_it_once(server):
    with server.connect() as connection:
        connection.sendall(INDEX + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"

        connection.sendall(b"{}")

        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /v2 HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v2 HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: magic\r\n\r\n", 501),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, 431),
    ],
    ids=["no http", "header", "two lengths", "negative", "length and chunks", "coding", "line", "fields", "head"],
)
def test_what_is_no_request_is_refused_in_our_words(server, request_bytes, status):
    with server.connect() as connection:
        connection.sendall(request_bytes)

        found, body = answer(connection)

        assert (found, list(json.loads(body))) == (status, ["error"])
        assert ended(connection)
    assert server.answers()
    assert "Traceback" not in server.log.read_text()


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(start_server, eventually):
    server = start_server(max_body_bytes="1000")
    eventually(server.answers, "the backend is ready")
    path = b"POST /v2/models/digits/infer HTTP/1.1\r\n"
    for length in (1001, 10**9):
        with server.connect() as connection:
            connection.sendall(path + AUTHORIZED.encode() + b"Content-Length: %d\r\n\r\n" % length + b"x" * 1001)

            assert answer(connection)[0] == 413


def test_clients_that_send_slowly_keep_nobody_out(own_server, digits, whole_request):
    """Two hundred of them: without a byte, within the head, within the body, in chunks, and with answers they do not take."""
    own_server.upload(digits)
    wire = pack_request(whole_request)
    head = f"POST /v2/models/digits/infer HTTP/1.1\r\n{AUTHORIZED}"
    slow = [
        b"",
        head[:20].encode(),
        f"{head}Content-Length: {len(wire.body)}\r\n\r\n".encode() + wire.body[:5000],
        f"{head}Transfer-Encoding: chunked\r\n\r\nff\r\nx".encode(),
        f"GET /v2 HTTP/1.1\r\n{AUTHORIZED}Connection: close\r\n\r\n".encode(),
    ]
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(own_server.connect()) for _ in range(200)]
        for place, connection in enumerate(connections):
            connection.sendall(slow[place % len(slow)])

        statuses = [own_server.ask("POST", "/v2/models/digits/infer", wire.body, **wire.headers)[0] for _ in range(20)]

        assert statuses == [200] * 20


def test_a_client_that_waited_long_is_still_served_when_it_goes_on(server, digits, whole_request):
    server.upload(digits)
    wire = pack_request(whole_request)
    lines = "".join(f"{name}: {value}\r\n" for name, value in wire.headers.items())
    with server.connect() as connection:
        connection.sendall(f"POST /v2/models/digits/infer HTTP/1.1\r\n{AUTHORIZED}{lines}".encode())
        assert server.answers()
        connection.sendall(f"Content-Length: {len(wire.body)}\r\n\r\n".encode() + wire.body[:9000])
        assert server.answers()
        connection.sendall(wire.body[9000:])

        assert answer(connection)[0] == 200


def test_more_connections_than_there_is_room_for_let_the_oldest_go(start_server, eventually):
    server = start_server("--worker-connections", "40")
    eventually(server.answers, "the backend is ready")
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(60)]

        assert server.answers()
        assert ended(idle[0])


def test_what_runs_is_finished_when_the_backend_ends_and_others_are_refused(own_server, digits, whole_request):
    own_server.upload(digits)
    wire = pack_request(whole_request)
    lines = "".join(f"{name}: {value}\r\n" for name, value in wire.headers.items())
    with own_server.connect() as begun, own_server.connect() as idle:
        begun.sendall(
            f"POST /v2/models/digits/infer HTTP/1.1\r\n{AUTHORIZED}{lines}"
            f"Content-Length: {len(wire.body)}\r\n\r\n".encode()
            + wire.body[:-1]
        )
        assert own_server.answers()

        own_server.terminate()
        assert ended(idle)
        with pytest.raises(OSError):
            own_server.connect().close()
        begun.sendall(wire.body[-1:])

        status, _ = answer(begun)
        assert status == 200
        assert ended(begun)
    assert own_server.process.wait(20) == 0
    assert "Traceback" not in own_server.log.read_text()


def test_a_worker_that_was_killed_is_replaced(own_server, eventually):
    (worker,) = _children(own_server.process.pid)

    os.kill(worker, signal.SIGKILL)

    eventually(lambda: _children(own_server.process.pid) not in ([], [worker]), "another worker is there")
    eventually(own_server.answers, "the backend is ready")


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in found.split()]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> str:
    """For localhost, signed by itself; key and certificate in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*command, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", path, "-out", path],
        check=True,
        capture_output=True,
    )
    return str(path)


def test_tls_serves_beside_clients_that_never_end_their_handshake(start_server, eventually, certificate):
    server = start_server("--certfile", certificate, "--keyfile", certificate)
    trusting = ssl.create_default_context(cafile=certificate)

    def over_tls(body: bytes) -> int:
        connection = http.client.HTTPSConnection("localhost", server.port, timeout=20, context=trusting)
        connection._create_connection = lambda *_: server.connect()  # localhost may be an address of IPv6
        try:
            connection.request(
                "POST", "/v2/repository/index", body=body, headers={"Authorization": "Bearer secret-of-the-operator"}
            )
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    eventually(lambda: over_tls(b"{}") == 200, "the backend answers over TLS")
    with contextlib.ExitStack() as stack:
        for begun in (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n") * 30:
            stack.enter_context(server.connect()).sendall(begun)
        answers: list[int] = []
        body = b'{"ready": true' + b" " * 300_000 + b"}"
        threads = [threading.Thread(target=lambda: answers.append(over_tls(body))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == [200] * 8
    assert "Traceback" not in server.log.read_text()


def test_a_request_in_the_record_that_ends_another_one_is_answered_over_tls(start_server, eventually, certificate):
    server = start_server("--certfile", certificate, "--keyfile", certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    eventually(lambda: "Listening" in server.log.read_text(), "the backend listens")
    with trusting.wrap_socket(server.connect(), server_hostname="localhost") as connection:
        connection.sendall(INDEX + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"

        connection.sendall(b"{}" + LIVE)

        received = b""
        while b'{"live":true}' not in received:
            received += connection.recv(1 << 16)

    assert received.startswith(b"HTTP/1.1 200 OK")


def test_more_whole_requests_than_may_wait_are_told_to_come_again(start_server, eventually, digits, whole_request):
    server = start_server("--threads", "1")
    eventually(server.answers, "the backend is ready")
    server.upload(digits)
    wire = pack_request(whole_request)
    lines = "".join(f"{name}: {value}\r\n" for name, value in wire.headers.items())
    head = f"POST /v2/models/digits/infer HTTP/1.1\r\n{AUTHORIZED}{lines}Content-Length: {len(wire.body)}\r\n\r\n"
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(150)]
        for connection in connections:
            connection.sendall(head.encode() + wire.body)
        found = [answer(connection) for connection in connections]
        again = connections[-1]
        again.sendall(LIVE)

        assert {status for status, _ in found} <= {200, 429, 503}
        assert answer(again)[0] == 200


@pytest.mark.parametrize("path", [b"/v2/models/digits/infer", b"/v2/repository/index"])
def test_tokens_of_devices_that_send_drop_by_drop_leave_others_their_uploads(own_server, path):
    chunked = AUTHORIZED.encode() + b"Transfer-Encoding: chunked\r\n\r\n"
    upload = b"PUT /api/v1/artifacts/" + hashlib.sha256(b"hello").hexdigest().encode() + b" HTTP/1.1\r\n"
    with contextlib.ExitStack() as stack:
        for token in [_device_token(own_server, f"pi-{number}") for number in range(4)]:
            drops = b"POST " + path + b" HTTP/1.1\r\n" + chunked.replace(b"secret-of-the-operator", token)
            for _ in range(2):
                stack.enter_context(own_server.connect()).sendall(drops + b"5\r\nhello\r\n")

        with own_server.connect() as connection:
            connection.sendall(upload + chunked + b"5\r\nhello\r\n0\r\n\r\n")
            assert answer(connection)[0] == 201


def _device_token(server, device: str) -> bytes:
    body = json.dumps({"id": device}).encode()
    status, _, created = server.ask("POST", "/api/v1/devices", body, **{"Content-Type": "application/json"})
    assert status == 201
    return json.loads(created)["token"].encode()


def test_requests_that_wait_for_the_database_keep_nobody_from_what_needs_none(own_server):
    writes = b"POST /api/v1/devices HTTP/1.1\r\n" + AUTHORIZED.encode()
    writes += b"Content-Type: application/json\r\nContent-Length: 15\r\n\r\n" + b'{"name":"pi-1"}'
    database = own_server.log.parent / "data" / "dynasplit.sqlite"
    with contextlib.ExitStack() as stack:
        locked = stack.enter_context(contextlib.closing(sqlite3.connect(database, isolation_level=None)))
        locked.execute("BEGIN IMMEDIATE")
        waiting = [stack.enter_context(own_server.connect()) for _ in range(MOST_UNDER_WAY + 1)]
        for connection in waiting:
            connection.sendall(writes)
        turned_away, _, _ = select.select(waiting, [], [], PATIENCE_S)
        assert answer(turned_away[0])[0] == 503

        assert own_server.ask("GET", "/v2/health/live")[0] == 200
        assert own_server.ask("GET", "/metrics")[0] == 200
        locked.execute("ROLLBACK")


def test_who_was_refused_and_stays_makes_room_before_anybody_else_does(start_server, eventually):
    small = start_server("--worker-connections", "40")
    eventually(small.answers, "the backend is ready")
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(small.connect()) for _ in range(5)]
        for connection in kept:
            connection.sendall(LIVE)
            assert answer(connection)[0] == 200
        for _ in range(60):
            refused = stack.enter_context(small.connect())
            refused.sendall(b"nonsense\r\n\r\n")
            assert answer(refused)[0] == 400

        for connection in kept:
            connection.sendall(LIVE)
            assert answer(connection)[0] == 200
