"""What every store of tokens, wrong tries and the audit must do: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.audit.port import AuditLine
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.sql import SqlStore
from cloud.store.tokens.port import StoredToken
from protocol.errors import Conflict, NotFound

TOKEN = StoredToken("ci", "a" * 64, ("read", "write"), created_at=1000.0, expires_at=2000.0)
LINE = AuditLine(5.0, "ci", "192.0.2.1", "PUT /api/v1/bundles/x", "", 201, "request-1")


@pytest.fixture
def store(migrated_or_memory) -> Iterator[Store]:
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def test_a_token_is_known_by_its_digest(store):
    store.add_token(TOKEN)

    assert store.token_with(TOKEN.sha256) == TOKEN
    assert store.token_with("b" * 64) is None


def test_tokens_are_listed_by_name_the_revoked_ones_too(store):
    for name, digest in (("b", "b" * 64), ("a", "a" * 64)):
        store.add_token(replace(TOKEN, name=name, sha256=digest, expires_at=None))

    store.revoke_token("a", at=1500.0)

    assert [(token.name, token.revoked_at, token.expires_at) for token in store.tokens()] == [
        ("a", 1500.0, None),
        ("b", None, None),
    ]


def test_a_name_is_given_once_even_after_it_was_revoked(store):
    store.add_token(TOKEN)
    store.revoke_token("ci", at=1500.0)

    with pytest.raises(Conflict, match="'ci'"):
        store.add_token(replace(TOKEN, sha256="b" * 64))

    assert store.token_with("b" * 64) is None


def test_what_was_revoked_keeps_its_time(store):
    store.add_token(TOKEN)

    store.revoke_token("ci", at=1500.0)
    store.revoke_token("ci", at=1600.0)

    assert store.tokens()[0].revoked_at == 1500.0


def test_an_unknown_token_cannot_be_revoked(store):
    with pytest.raises(NotFound, match="'nobody'"):
        store.revoke_token("nobody", at=1.0)


def test_the_day_of_its_last_use_is_kept(store):
    store.add_token(TOKEN)

    store.note_token_used("ci", day="2026-01-31")

    assert store.tokens()[0].last_used_on == "2026-01-31"


def test_wrong_tries_are_counted_by_what_and_by_peer_within_a_window(store):
    for at in (10.0, 20.0, 30.0):
        store.note_wrong_try("code", "192.0.2.1", at=at, window_s=60.0)
    store.note_wrong_try("code", "192.0.2.2", at=30.0, window_s=60.0)
    store.note_wrong_try("token", "192.0.2.1", at=30.0, window_s=60.0)

    assert store.wrong_tries("code", "192.0.2.1", since=5.0) == 3
    assert store.wrong_tries("code", "192.0.2.2", since=5.0) == 1
    assert store.wrong_tries("token", "192.0.2.1", since=5.0) == 1
    assert store.wrong_tries("code", "192.0.2.1", since=15.0) == 0

    store.note_wrong_try("code", "192.0.2.1", at=71.0, window_s=60.0)
    assert store.wrong_tries("code", "192.0.2.1", since=11.0) == 1


def test_the_audit_tells_the_latest_first(store):
    for number in range(5):
        store.add_audit(replace(LINE, at=float(number // 2), on=f"{number}"), forget_before=0.0)

    assert [line.on for line in store.audit(limit=3)] == ["4", "3", "2"]
    assert [line.on for line in store.audit(limit=10, until=0.5)] == ["1", "0"]


def test_an_audit_line_is_kept_as_it_was_told(store):
    store.add_audit(LINE, forget_before=0.0)

    assert store.audit(limit=1) == [LINE]


def test_old_audit_lines_are_let_go(store):
    store.add_audit(LINE, forget_before=0.0)

    store.add_audit(replace(LINE, at=50.0), forget_before=10.0)

    assert [line.at for line in store.audit(limit=10)] == [50.0]


def test_one_line_from_a_wrong_clock_does_not_take_the_audit_with_it(store):
    for number in range(6):
        store.add_audit(replace(LINE, at=float(number)), forget_before=0.0)

    store.add_audit(replace(LINE, at=1e6), forget_before=1e5)

    assert [line.at for line in store.audit(limit=10)] == [1e6, 5.0, 4.0, 3.0, 2.0]
