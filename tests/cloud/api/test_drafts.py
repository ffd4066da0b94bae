"""Drafts over HTTP."""

from __future__ import annotations

import pytest

PATH = "/api/v1/tables"


@pytest.fixture
def drafts(backend, make_signed):
    """Five of them, the latest last."""
    made = [make_signed(0, head_ms=float(number)).table for number in range(5)]
    for at, table in enumerate(made):
        backend.store.add_draft(table, at=float(at))
    return made


def test_drafts_are_kept_by_digest(backend, make_signed, bundle_of_tables):
    draft = make_signed(0).table

    response = backend.call("POST", PATH, json=draft.to_json())

    assert (response.status_code, response.get_json()) == (201, {"digest": draft.digest})
    assert backend.call("GET", f"{PATH}/{draft.digest}").get_json() == draft.to_json()
    (listed,) = backend.call("GET", PATH).get_json()["items"]
    assert (listed["digest"], listed["network"], listed["rows"]) == (draft.digest, "digits", 1)
    assert listed["added_at"] > 1.7e9
    assert backend.call("GET", f"{PATH}/{'f' * 64}").status_code == 404


def test_drafts_come_in_pages_latest_first(backend, drafts):
    first = backend.call("GET", f"{PATH}?limit=3").get_json()
    second = backend.call("GET", f"{PATH}?limit=3&cursor={first['next']}").get_json()

    digests = [each["digest"] for each in (*first["items"], *second["items"])]
    assert digests == [table.digest for table in reversed(drafts)]
    assert second["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=many", "cursor=elsewhere", "before=1"])
def test_a_query_that_cannot_be_is_400(backend, query):
    assert backend.call("GET", f"{PATH}?{query}").status_code == 400


def test_a_draft_is_deleted_and_the_audit_knows_by_whom(backend, drafts):
    response = backend.call("DELETE", f"{PATH}/{drafts[0].digest}")

    assert (response.status_code, response.data) == (204, b"")
    assert backend.call("DELETE", f"{PATH}/{drafts[0].digest}").status_code == 404
    assert len(backend.call("GET", PATH).get_json()["items"]) == 4
    line = backend.store.audit(limit=2)[1]
    assert (line.what, line.on, line.status) == (
        f"DELETE {PATH}/{drafts[0].digest}",
        "draft of digits for pi-1",
        204,
    )


def test_a_draft_that_a_device_shall_use_is_409_in_one_line(backend, drafts, make_signed):
    backend.store.set_desired(make_signed(7, device="pi-9", head_ms=0.0))

    response = backend.call("DELETE", f"{PATH}/{drafts[0].digest}")

    assert response.status_code == 409
    assert "pi-9 shall use it for digits; push another table there first" in response.get_json()["error"]
    assert "\n" not in response.get_json()["error"]
    assert backend.call("GET", f"{PATH}/{drafts[0].digest}").status_code == 200
