"""Uploading and fetching bundles."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest

from cloud.access.downloads import MOST
from protocol.documents import canonical_bytes


@pytest.fixture
def artifact(digits):
    (artifact,) = digits.manifest.artifacts
    return artifact


@pytest.fixture
def content(digits, artifact) -> bytes:
    return (digits.folder / artifact.filename).read_bytes()


def manifest_bytes(bundle) -> bytes:
    return (bundle.folder / "bundle.json").read_bytes()


def leftovers(backend_folder) -> list[str]:
    return [path.name for path in backend_folder.rglob(".new-*")]


def test_an_artifact_comes_back_byte_for_byte(backend, artifact, content):
    path = f"/api/v1/artifacts/{artifact.sha256}"
    assert backend.call("HEAD", path).status_code == 404

    assert backend.call("PUT", path, data=content).status_code == 201

    fetched = backend.call("GET", path, token=backend.device())
    head = backend.call("HEAD", path)
    assert fetched.data == content
    assert (head.status_code, head.content_length, head.data) == (200, len(content), b"")


def test_an_artifact_for_which_the_disk_has_no_room_is_507(backend, artifact, content, tmp_path, monkeypatch):
    full = tmp_path / ".new-full"
    full.touch()
    monkeypatch.setattr(tempfile, "mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(full)))

    response = backend.call("PUT", f"/api/v1/artifacts/{artifact.sha256}", data=content)

    assert response.status_code == 507
    assert f"no room for artifact {artifact.sha256:.12}: free some" in response.get_json()["error"]
    assert not full.exists()


def test_a_full_disk_is_rid_of_leftovers_and_the_uploader_is_told(
    backend, settings, artifact, content, tmp_path, monkeypatch
):
    leftover = settings.data_dir / "artifacts" / ".new-old"
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.touch()
    os.utime(leftover, (0, 0))
    monkeypatch.setattr(tempfile, "mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(tmp_path / "full")))

    response = backend.call("PUT", f"/api/v1/artifacts/{artifact.sha256}", data=content)

    assert response.status_code == 507
    assert response.get_json()["error"].endswith("try once more")
    assert not leftover.exists()


def test_a_bundle_for_which_the_disk_has_no_room_is_507(backend, digits, artifact, content, monkeypatch):
    def no_room(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    backend.call("PUT", f"/api/v1/artifacts/{artifact.sha256}", data=content)
    monkeypatch.setattr(tempfile, "mkdtemp", no_room)

    response = backend.call("PUT", f"/api/v1/bundles/{digits.digest}", data=manifest_bytes(digits))

    assert response.status_code == 507
    assert f"no room for bundle {digits.digest:.12}" in response.get_json()["error"]


def test_a_relative_data_folder_serves_artifacts_too(make_backend, tmp_path, monkeypatch, artifact, content):
    monkeypatch.chdir(tmp_path)
    backend = make_backend(data_dir=Path("relative"))
    backend.call("PUT", f"/api/v1/artifacts/{artifact.sha256}", data=content)

    response = backend.call("GET", f"/api/v1/artifacts/{artifact.sha256}")

    assert (response.status_code, response.data) == (200, content)


def test_an_artifact_again_is_200(backend, artifact, content):
    path = f"/api/v1/artifacts/{artifact.sha256}"
    backend.call("PUT", path, data=content)

    assert backend.call("PUT", path, data=content).status_code == 200


def test_a_transfer_continues_where_it_broke(backend, artifact, content):
    path = f"/api/v1/artifacts/{artifact.sha256}"
    backend.call("PUT", path, data=content)

    response = backend.call("GET", path, headers={"Range": "bytes=1000-1999"})

    assert response.status_code == 206
    assert response.data == content[1000:2000]


@pytest.mark.parametrize(("etag", "status"), [("the artifact's", 206), ("another", 200)])
def test_a_transfer_continues_only_with_the_same_content(backend, artifact, content, etag, status):
    path = f"/api/v1/artifacts/{artifact.sha256}"
    backend.call("PUT", path, data=content)
    same = artifact.sha256 if etag == "the artifact's" else "0" * 64

    response = backend.call("GET", path, headers={"Range": "bytes=1000-", "If-Range": f'"{same}"'})

    assert response.status_code == status
    assert response.data == content[1000:] if status == 206 else content


def test_a_transfer_cannot_continue_behind_the_end(backend, artifact, content):
    path = f"/api/v1/artifacts/{artifact.sha256}"
    backend.call("PUT", path, data=content)

    assert backend.call("GET", path, headers={"Range": f"bytes={len(content)}-"}).status_code == 416


def test_an_artifact_with_a_wrong_byte_is_400_and_not_kept(backend, settings, artifact, content):
    path = f"/api/v1/artifacts/{artifact.sha256}"
    damaged = bytes([content[0] ^ 1]) + content[1:]

    response = backend.call("PUT", path, data=damaged)

    assert response.status_code == 400
    assert "sha256" in response.get_json()["error"]
    assert backend.call("GET", path).status_code == 404
    assert leftovers(settings.data_dir) == []


def test_an_artifact_over_its_limit_is_413_and_not_kept(make_backend, settings, artifact, content):
    backend = make_backend(max_artifact_bytes=len(content) - 1)

    response = backend.call("PUT", f"/api/v1/artifacts/{artifact.sha256}", data=content)

    assert response.status_code == 413
    assert leftovers(settings.data_dir) == []


def test_artifacts_have_a_limit_of_their_own(make_backend, artifact, content):
    backend = make_backend(max_body_bytes=1000)

    assert backend.call("PUT", f"/api/v1/artifacts/{artifact.sha256}", data=content).status_code == 201


@pytest.mark.parametrize("name", ["..", "abc", "A" * 64, "a" * 63 + "/", "a" * 64 + "%00"])
@pytest.mark.parametrize("kind", ["artifacts", "bundles"])
def test_a_name_that_is_no_sha256_is_refused(backend, kind, name):
    assert backend.call("GET", f"/api/v1/{kind}/{name}").status_code in (400, 404)
    assert backend.call("PUT", f"/api/v1/{kind}/{name}", data=b"x").status_code in (400, 404, 405)


def test_a_bundle_is_refused_with_the_names_of_missing_artifacts(backend, digits, artifact):
    response = backend.call("PUT", f"/api/v1/bundles/{digits.digest}", data=manifest_bytes(digits))

    assert response.status_code == 409
    assert artifact.filename in response.get_json()["error"]
    assert artifact.sha256 in response.get_json()["error"]


def test_a_bundle_comes_back_byte_for_byte_and_is_listed(backend, digits):
    response = backend.upload(digits)

    assert (response.status_code, response.get_json()["version"]) == (201, 1)
    assert backend.call("GET", f"/api/v1/bundles/{digits.digest}", token=backend.device()).data == manifest_bytes(
        digits
    )
    assert backend.call("GET", "/api/v1/bundles").get_json() == [
        {"digest": digits.digest, "network": "digits", "version": 1, "loaded": True}
    ]


def test_a_bundle_again_changes_nothing(stocked, digits):
    assert stocked.upload(digits).get_json()["version"] == 1
    assert len(stocked.call("GET", "/api/v1/bundles").get_json()) == 1


def test_a_bundle_with_a_wrong_byte_is_400(stocked, digits):
    damaged = manifest_bytes(digits).replace(b'"digits"', b'"digitz"')

    response = stocked.call("PUT", f"/api/v1/bundles/{digits.digest}", data=damaged)

    assert response.status_code == 400


def put_under_own_digest(backend, content: bytes):
    return backend.call("PUT", f"/api/v1/bundles/{hashlib.sha256(content).hexdigest()}", data=content)


def test_a_manifest_that_is_not_canonical_is_400(stocked, digits):
    spaced = json.dumps(json.loads(manifest_bytes(digits)), indent=1).encode()

    assert put_under_own_digest(stocked, spaced).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"network": "../etc"},
        {"schema": 99},
        {"cut_points": []},
        {"artifacts": [{"role": "r", "sha256": "../../x", "filename": "x", "bytes": 1}]},
        {"artifacts": [{"role": "r", "sha256": "a" * 64, "filename": "../x", "bytes": 1}]},
        {"artifacts": [{"role": "r", "sha256": "a" * 64, "filename": "bundle.json", "bytes": 1}]},
        {"artifacts": [{"role": "r", "sha256": "a" * 64, "filename": "é" * 200, "bytes": 1}]},
    ],
)
def test_a_manifest_that_makes_no_sense_is_400(stocked, digits, change):
    content = canonical_bytes(json.loads(manifest_bytes(digits)) | change)

    assert put_under_own_digest(stocked, content).status_code == 400


def test_an_unknown_bundle_is_404(backend):
    assert backend.call("GET", f"/api/v1/bundles/{'a' * 64}").status_code == 404


def test_who_reads_slowly_leaves_room_for_others(backend, digits, artifact, content):
    backend.upload(digits)
    path, headers = f"/api/v1/artifacts/{artifact.sha256}", {"Authorization": f"Bearer {backend.device()}"}
    begun = [backend.client.get(path, headers=headers, buffered=False) for _ in range(MOST)]

    refused = [backend.call("GET", path), backend.call("GET", "/api/v1/inferences?format=csv")]

    assert [(answer.status_code, int(answer.headers["Retry-After"]) > 0) for answer in refused] == [(503, True)] * 2
    assert backend.call("HEAD", path).status_code == 200
    for answer in begun:
        answer.close()
    assert backend.call("GET", path).data == content
