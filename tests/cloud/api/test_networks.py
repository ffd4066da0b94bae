"""Networks, and taking bundles away."""

from __future__ import annotations

import pytest

from protocol.messages import TableReport, TableState


def delete(backend, bundle):
    return backend.call("DELETE", f"/api/v1/bundles/{bundle.digest}")


@pytest.fixture
def used(stocked, digits, make_signed):
    """A backend whose device shall use the digits bundle."""
    stocked.device("pi-1")
    signed = make_signed(bundle=digits.digest)
    stocked.store.set_desired(signed)
    return stocked, signed


def test_networks_tell_versions_and_devices(used, digits):
    backend, signed = used
    report = TableReport("digits", signed.table.digest, signed.table.version, TableState.APPLIED)
    before = backend.call("GET", "/api/v1/networks").get_json()
    backend.store.note_report("pi-1", report, at=5.0)

    after = backend.call("GET", "/api/v1/networks").get_json()

    facts = {
        "network": "digits",
        "versions": [{"version": 1, "digest": digits.digest, "loaded": True}],
        "devices": ["pi-1"],
        "agreeing": 0,
    }
    assert (before, after) == ([facts], [facts | {"agreeing": 1}])


def test_a_bundle_that_nothing_uses_goes_with_its_artifacts(stocked, digits):
    assert delete(stocked, digits).status_code == 204

    assert stocked.call("GET", "/api/v1/bundles").get_json() == []
    assert stocked.call("GET", f"/api/v1/bundles/{digits.digest}").status_code == 404
    for artifact in digits.manifest.artifacts:
        assert stocked.call("HEAD", f"/api/v1/artifacts/{artifact.sha256}").status_code == 404
    assert stocked.call("GET", "/v2/models/digits").status_code == 404
    assert delete(stocked, digits).status_code == 404
    assert stocked.upload(digits).status_code == 201


def test_a_bundle_that_a_device_shall_use_stays(used, digits):
    backend, _ = used

    answer = delete(backend, digits)

    assert answer.status_code == 409
    assert "device pi-1" in answer.get_json()["error"]
    assert backend.call("GET", f"/api/v1/bundles/{digits.digest}").status_code == 200


def test_a_bundle_that_a_device_still_uses_stays(used, digits, make_signed):
    backend, signed = used
    backend.store.note_report("pi-1", TableReport("digits", signed.table.digest, 1, TableState.APPLIED), at=5.0)
    backend.store.set_desired(make_signed(2, bundle="c" * 64))

    assert delete(backend, digits).status_code == 409


def test_a_digest_that_is_none_is_400(backend):
    assert backend.call("DELETE", "/api/v1/bundles/x").status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=0-9"}, 206),
        ({"Range": "bytes=999999999-"}, 416),
        ({"Range": "bytes=0-9", "If-Range": '"another"'}, 200),
        ({"Range": "bytes=-10"}, 206),
        ({"Range": "items=0-1"}, 200),
        ({"Range": "bytes=abc"}, 200),
        ({"Range": "bytes=0-1,3-4"}, 200),
        ({"If-None-Match": "same"}, 304),
        ({"Range": "bytes=5-9", "If-None-Match": "same"}, 304),
        ({"Range": "bytes=5-9", "If-Match": '"another"'}, 412),
        ({"Range": "bytes=0-9", "If-Range": "same"}, 206),
    ],
)
def test_artifacts_are_fetched_in_ranges_of_the_same_content(stocked, digits, headers, status):
    (artifact,) = digits.manifest.artifacts
    path = f"/api/v1/artifacts/{artifact.sha256}"
    etag = stocked.call("HEAD", path).headers["ETag"]

    answer = stocked.call(
        "GET", path, headers={name: etag if value == "same" else value for name, value in headers.items()}
    )

    assert answer.status_code == status
    if status == 206:
        assert len(answer.data) == 10
    if status == 416:
        assert "error" in answer.get_json()


def test_an_end_that_is_longer_than_the_artifact_is_all_of_it(stocked, digits):
    (artifact,) = digits.manifest.artifacts
    path = f"/api/v1/artifacts/{artifact.sha256}"

    answer = stocked.call("GET", path, headers={"Range": "bytes=-99999999999"})

    assert (answer.status_code, len(answer.data)) == (206, artifact.bytes)
