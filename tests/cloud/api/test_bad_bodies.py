"""Bodies that no honest caller sends: no 500, one clear line, and nothing is kept."""

from __future__ import annotations

import gzip
import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.content_encoding import compress_zstd

BACKENDS = settings(
    max_examples=4 * settings.default.max_examples // 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
DEVICE_BODIES = st.dictionaries(st.sampled_from(["id", "labels", "x", ""]), JSON)
DIGESTS = st.sampled_from(["0" * 64, "f" * 64, "A" * 64, "0" * 63, "..", "%2e%2e", "0" * 65, "é"])


def kept(backend) -> tuple[object, ...]:
    """What there is, of all that bodies could have made."""
    store, folder = backend.store, backend.app.extensions["dynasplit"].settings.data_dir
    files = sorted(str(path) for path in folder.rglob("*")) if folder.exists() else []
    return (store.devices(), store.bundles(), store.drafts(), [name for name in files if "artifacts/" in name])


def refused(answer) -> None:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.data[:200])
    assert list(answer.get_json()) == ["error"]
    assert "\n" not in answer.get_json()["error"]


@BACKENDS
@given(body=DEVICE_BODIES.filter(lambda body: not isinstance(body.get("id"), str)))
def test_a_device_without_a_name_is_not_registered(backend, body):
    before = kept(backend)

    refused(backend.call("POST", "/api/v1/devices", json=body))

    assert kept(backend) == before


@BACKENDS
@given(body=st.binary(max_size=200))
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/devices"),
        ("PUT", "/api/v1/devices/pi-1/labels"),
        ("POST", "/api/v1/tables"),
        ("PUT", "/api/v1/devices/pi-1/tables/digits"),
        ("POST", "/api/v1/devices/pi-1/jobs"),
        ("POST", "/api/v1/enrolments"),
        ("POST", "/api/v1/rollouts"),
        ("POST", "/api/v1/tables/compute"),
        ("POST", "/api/v1/tokens"),
        ("PUT", f"/api/v1/bundles/{'0' * 64}"),
        ("PUT", f"/api/v1/artifacts/{'0' * 64}"),
    ],
)
def test_bytes_that_are_no_document_are_refused(backend, method, path, body):
    before = kept(backend)

    refused(backend.call(method, path, data=body))

    assert kept(backend) == before


@BACKENDS
@given(digest=DIGESTS, body=st.binary(max_size=100))
def test_an_artifact_under_a_wrong_digest_is_not_kept(backend, digest, body):
    before = kept(backend)

    refused(backend.call("PUT", f"/api/v1/artifacts/{digest}", data=body))

    assert kept(backend) == before


@BACKENDS
@given(cut=st.integers(0, 2000), flip=st.integers(0, 255))
def test_a_manifest_that_was_cut_or_changed_makes_no_bundle(backend, digits, cut, flip):
    content = (digits.folder / "bundle.json").read_bytes()
    before = kept(backend)
    for wrong in (content[: cut % len(content)], bytes([flip]) + content):
        for digest in (digits.digest, hashlib.sha256(wrong).hexdigest()):
            refused(backend.call("PUT", f"/api/v1/bundles/{digest}", data=wrong))

    assert kept(backend) == before


def test_a_body_that_unpacks_to_too_much_is_413(backend):
    bomb = gzip.compress(b" " * 50_000_000)

    for path in ("/api/v1/devices", "/api/v1/tables", "/api/v1/rollouts"):
        answer = backend.call("POST", path, data=bomb, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 413


@pytest.mark.parametrize("token", ["", "x", "operator-toke", "operator-token2", "é", "\x00"])
def test_a_wrong_token_keeps_nothing(backend, token):
    before = kept(backend)

    answer = backend.call(
        "POST", "/api/v1/devices", token="", json={"id": "pi-1"}, headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code in (401, 429)
    assert kept(backend) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/devices/pi-2"),
        ("GET", "/api/v1/devices/pi-2/tables/digits"),
        ("GET", "/api/v1/devices/pi-2/samples"),
        ("PUT", "/api/v1/devices/pi-2/labels"),
        ("DELETE", "/api/v1/devices/pi-2"),
        ("GET", "/api/v1/inferences?device=pi-2"),
        ("GET", "/api/v1/fleet"),
        ("DELETE", f"/api/v1/bundles/{'0' * 64}"),
    ],
)
def test_a_device_reaches_nothing_of_another(backend, method, path):
    token = backend.device("pi-1")
    backend.device("pi-2")
    before = kept(backend)

    assert backend.call(method, path, token=token, json={}).status_code == 403
    assert kept(backend) == before


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [(b" " * 5000, "identity"), (gzip.compress(b" " * 5000), "gzip"), (compress_zstd(b" " * 5000), "zstd")],
    ids=["as it is", "gzip", "zstd"],
)
def test_a_code_comes_in_a_small_body(backend, sent, encoding):
    answer = backend.call("POST", "/api/v1/enroll", token="", data=sent, headers={"Content-Encoding": encoding})

    assert answer.status_code == 413


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("path", ["/api/v1/tables", "/api/v1/devices", "/v2/repository/index"])
def test_a_document_unpacks_to_less_than_tensors_may(make_backend, path):
    backend = make_backend(max_body_bytes=64_000_000)
    bomb = gzip.compress(b" " * 17_000_000)

    answer = backend.call("POST", path, data=bomb, headers={"Content-Encoding": "gzip"})

    assert answer.status_code == 413
