"""Whatever is sent to the tensor endpoint, whole or in pieces: a refusal that fits, a worker that lives, and nothing stored."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import zlib
from functools import partial
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.inference import HEADER_LENGTH, Message, pack_request
from protocol.tensors import Tensor

PATH = "/v2/models/digits/infer"
REFUSED = (400, 401, 404, 408, 409, 413, 429, 503)
BOMB = bytes(50_000_000)

fuzzing = settings(
    max_examples=2 * settings.default.max_examples, deadline=None, suppress_health_check=list(HealthCheck)
)

numbers = st.one_of(
    st.integers(-3, 70),
    st.sampled_from([-(2**63), 2**31, 2**63 - 1, 2**64, 10**30, float("nan"), float("inf"), -0.0, 1e308]),
    st.none(),
    st.booleans(),
    st.text(max_size=3),
)
shapes = st.one_of(st.just([1, 64, 64, 1]), st.lists(numbers, max_size=5), st.just([1] * 40), numbers)
parameters = st.one_of(
    st.dictionaries(
        st.sampled_from(
            ["cut", "bundle", "codec", "remaining_ms", "deadline_ms", "binary_data_output", "binary_data_size", "scale"]
        ),
        st.one_of(numbers, st.sampled_from(["int8", "fp16", "raw", "f" * 64]), st.just(16384)),
        max_size=4,
    ),
    numbers,
)
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.sampled_from(["b0", "b1", ""]), numbers),
        "datatype": st.one_of(st.sampled_from(["FP32", "INT8", "BYTES", "BF16"]), numbers),
        "shape": shapes,
        "data": st.one_of(st.lists(numbers, max_size=4), numbers, st.just([[1.0], [2.0, 3.0]])),
        "parameters": parameters,
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.one_of(st.lists(tensors, max_size=3), numbers),
        "outputs": st.one_of(st.lists(tensors, max_size=3), numbers),
        "parameters": parameters,
        "id": st.one_of(st.text(max_size=5), numbers),
    },
)


@pytest.fixture(scope="module")
def pristine(image):
    return pack_request(Message((Tensor("b0", image),)))


@pytest.fixture(scope="module")
def headers():
    """What may stand in a request's head: right, wrong, and contradicting the body."""
    return st.fixed_dictionaries(
        {},
        optional={
            HEADER_LENGTH: st.sampled_from(
                ["", "0", "1", "-1", "90", "99999999", "9" * 400, "1e3", "0x10", "1 2", "½"]
            ),
            "Content-Encoding": st.sampled_from(["gzip", "deflate", "zstd", "br", "gzip, gzip", "identity", "\xff"]),
            "Accept-Encoding": st.sampled_from(["gzip", "deflate;q=0", "*", ";;,", "gzip;q=nonsense"]),
            "Content-Type": st.sampled_from(["text/html", "multipart/form-data; boundary=x", "application/json;;"]),
        },
    )


def kept(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "sqlite" not in path.name}


def only_refused(status: int, body: bytes) -> None:
    assert status == 200 or status in REFUSED, body
    assert status == 200 or list(json.loads(body)) == ["error"]


def test_no_document_and_no_head_breaks_it(stocked, backend, settings, headers, pristine, whole_request):
    before = kept(settings.data_dir)

    @fuzzing
    @given(documents, headers, st.binary(max_size=20))
    def broken(document, head, more):
        body = json.dumps(document).encode()
        given_length = {HEADER_LENGTH: str(len(body))} if more else {}
        response = stocked.call("POST", PATH, data=body + more, headers=given_length | head)
        only_refused(response.status_code, response.data)

    @fuzzing
    @given(headers, st.integers(0, len(pristine.body)), st.integers(0, 2000))
    def cut_or_longer(head, length, surplus):
        body = pristine.body[:length] + b"x" * surplus
        response = stocked.call("POST", PATH, data=body, headers=dict(pristine.headers) | head)
        only_refused(response.status_code, response.data)

    broken()
    cut_or_longer()
    assert stocked.infer(whole_request).status_code == 200
    assert kept(settings.data_dir) == before
    assert not list(stocked.store.devices())


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic secret", "Bearer \xff", "Bearer " + "x" * 3000])
def test_who_shows_no_good_token_learns_nothing_more(stocked, pristine, token):
    headers = dict(pristine.headers) | {"Authorization": token}

    answers = [stocked.client.post(path, data=pristine.body, headers=headers) for path in (PATH, "/v2/models/x/infer")]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].data == answers[1].data


def zstd_of_unknown_size(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(content)


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", partial(gzip.compress, compresslevel=1)),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("zstd", zstd_of_unknown_size),
    ],
    ids=["gzip", "deflate", "zstd", "zstd of unknown size"],
)
def test_a_bomb_is_413(stocked, encoding, compress):
    response = stocked.call("POST", PATH, data=compress(BOMB), headers={"Content-Encoding": encoding})

    assert response.status_code == 413


def test_too_many_tensors_and_too_much_json_are_413(make_backend, digits):
    backend = make_backend(max_body_bytes=40_000_000)
    backend.upload(digits)
    tensor = {"name": "b0", "datatype": "FP32", "shape": [0], "data": []}
    many = json.dumps({"inputs": [tensor | {"name": str(number)} for number in range(2000)]}).encode()
    large = b'{"inputs": [' + b" " * 17_000_000 + b"]}"

    assert backend.call("POST", PATH, data=many).status_code == 413
    assert backend.call("POST", PATH, data=large).status_code == 413


def test_two_tensors_of_one_name_are_400(stocked):
    tensor = {"name": "b0", "datatype": "FP32", "shape": [1], "data": [1.0]}

    response = stocked.call("POST", PATH, json={"inputs": [tensor, tensor]})

    assert (response.status_code, "same name" in response.get_json()["error"]) == (400, True)


@pytest.mark.system
def test_no_bytes_on_a_socket_break_a_worker(start_server, eventually, digits, pristine):
    server = start_server(max_body_bytes="2000000")
    eventually(server.answers, "the backend is ready")
    server.upload(digits)
    lines = "".join(f"{name}: {value}\r\n" for name, value in pristine.headers.items())
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-of-the-operator\r\n{lines}"
    whole = head.encode() + f"Content-Length: {len(pristine.body)}\r\n\r\n".encode() + pristine.body
    chunked = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n"

    @settings(max_examples=max(20, settings.default.max_examples // 2), deadline=None)
    @given(
        st.one_of(
            st.binary(max_size=300),
            st.binary(max_size=60).map(lambda junk: chunked + junk + b"\r\n\r\n"),
            st.tuples(st.integers(0, 400), st.binary(max_size=8)).map(
                lambda change: whole[: change[0]] + change[1] + whole[change[0] + len(change[1]) :]
            ),
            st.integers(0, len(whole)).map(lambda length: whole[:length]),
        )
    )
    def sent(content):
        with server.connect() as connection, contextlib.suppress(ConnectionError):
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection)
            with contextlib.suppress(http.client.HTTPException):
                response.begin()
                assert response.status < 500 or response.status in (501, 503)

    sent()
    status, _, _ = server.ask("POST", PATH, pristine.body, **pristine.headers)
    assert status == 200
    assert "Traceback" not in server.log.read_text()
    assert server.log.read_text().count("Booting worker") == 1
