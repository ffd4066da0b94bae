"""Every error of the backend is JSON with the right status."""

from __future__ import annotations

import io
import logging

import pytest
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, NoMoreData

from cloud.store.memory import MemoryStore
from protocol.errors import ServiceMissing


class Broken(MemoryStore):
    """A store with a bug."""

    def devices(self, **_labels):
        raise RuntimeError("secret detail")


class Away(MemoryStore):
    """A store whose database is away."""

    def ready(self):
        raise ServiceMissing("database x cannot be used: refused")

    def measurements(self, _selection, **_limit):
        raise ServiceMissing("database x cannot be used: refused")
        yield

    def device_with_token(self, _digest):
        raise ServiceMissing("database x cannot be used: refused")


def only_error(response) -> str:
    content = response.get_json()
    assert list(content) == ["error"]
    return str(content["error"])


def test_an_unknown_path_is_404(backend):
    response = backend.call("GET", "/v3/nothing")

    assert response.status_code == 404
    assert only_error(response)


def test_a_wrong_method_is_405_and_tells_the_right_ones(backend):
    response = backend.call("DELETE", "/v2/health/live")

    assert response.status_code == 405
    assert only_error(response)
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/v2/models/digits/infer", "/api/v1/tables", "/api/v1/devices", "/v2/repository/index"]
)
def test_a_body_over_the_limit_is_413(make_backend, path):
    backend = make_backend(max_body_bytes=1000)

    response = backend.call("POST", path, data=b"x" * 1001)

    assert response.status_code == 413
    assert only_error(response)


class Breaking(io.RawIOBase):
    """A body whose first bytes come, and then the server's word for what went wrong."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error
        self._sent = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self._sent:
            raise self._error
        self._sent = True
        buffer[:1] = b"{"
        return 1


@pytest.mark.exhaustive(sample=16)
@pytest.mark.parametrize(
    "error",
    [InvalidChunkSize(b"zz"), ChunkMissingTerminator(b"xx"), NoMoreData(), ConnectionResetError(), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/models/digits/infer"),
        ("POST", "/api/v1/devices"),
        ("PUT", f"/api/v1/artifacts/{'0' * 64}"),
        ("PUT", f"/api/v1/bundles/{'0' * 64}"),
        ("POST", "/v2/repository/index"),
    ],
)
def test_a_body_that_breaks_while_it_is_read_is_400(backend, method, path, chunked, error):
    framing = (
        {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True} if chunked else {"CONTENT_LENGTH": "99"}
    )

    response = backend.call(method, path, environ_overrides=framing | {"wsgi.input": Breaking(error)})

    assert response.status_code == 400
    assert "body" in only_error(response)


@pytest.mark.parametrize("path", ["/v2/repository/models/digits/unload", "/api/v1/devices"])
def test_a_body_that_gunicorn_hands_over_short_is_400_and_changes_nothing(stocked, path):
    short = {"CONTENT_LENGTH": "99", "wsgi.input": io.BytesIO(), "wsgi.input_terminated": True}

    response = stocked.call("POST", path, environ_overrides=short)

    assert response.status_code == 400
    assert "body" in only_error(response)
    assert all(bundle.loaded for bundle in stocked.store.bundles())


def test_a_bug_is_500_that_tells_the_log_and_not_the_caller(make_backend, caplog):
    backend = make_backend(store=Broken())

    with caplog.at_level(logging.ERROR):
        response = backend.call("GET", "/api/v1/devices")

    assert response.status_code == 500
    assert "secret" not in only_error(response)
    assert "secret detail" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/health/ready"), ("GET", "/api/v1/measurements"), ("POST", "/v2/models/digits/infer")],
)
def test_a_store_that_is_away_is_503(make_backend, method, path):
    backend = make_backend(store=Away())

    token = "of some device" if method == "POST" else "operator-token"
    response = backend.call(method, path, token=token)

    assert response.status_code == 503
    assert "database" in only_error(response)


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"{", b"\xff\xfe", b'{"id": NaN}', b"[" * 100_000, b'{"id":' + b"9" * 5000 + b"}"]
)
@pytest.mark.parametrize("path", ["/api/v1/devices", "/api/v1/tables", "/v2/models/digits/infer"])
def test_a_body_that_is_no_json_object_is_400(backend, path, body):
    response = backend.call("POST", path, data=body)

    assert response.status_code == 400
    assert only_error(response)
