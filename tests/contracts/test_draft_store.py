"""What every store of drafts must do: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.sql import SqlStore
from protocol.configuration import Configuration
from protocol.errors import Conflict, NotFound
from protocol.link import REFERENCE_LINK
from protocol.signing import generate_private_key, sign
from protocol.table import Row, Table

ROW = Row(Configuration(3, 1_500_000), 4.5, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)
KEY = generate_private_key()


@pytest.fixture
def store(migrated_or_memory) -> Iterator[Store]:
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def table(head_ms: float = 4.5, *, device: str = "pi-1", version: int = 0) -> Table:
    return Table("digits", "b" * 64, device, REFERENCE_LINK, (replace(ROW, head_ms=head_ms),), version)


def desire(store: Store, head_ms: float, *, device: str = "pi-1", version: int = 1) -> None:
    store.set_desired(sign(table(head_ms, device=device, version=version), KEY))


def test_a_draft_is_kept_under_its_digest(store):
    store.add_draft(table(), at=1.0)
    store.add_draft(table(9.0), at=2.0)

    assert store.draft(table().digest) == table()
    with pytest.raises(NotFound, match="ffff"):
        store.draft("f" * 64)


def test_drafts_are_told_latest_first_by_what_they_are_for(store):
    for at, head_ms in ((1.0, 4.5), (2.0, 9.0)):
        store.add_draft(table(head_ms), at=at)

    newest, oldest = store.drafts()

    assert (newest.digest, newest.added_at) == (table(9.0).digest, 2.0)
    assert (oldest.network, oldest.device, oldest.bundle, oldest.rows) == ("digits", "pi-1", "b" * 64, 1)
    assert oldest.content_digest == table().content_digest


def test_one_that_is_added_again_is_the_latest(store):
    for at, head_ms in ((1.0, 4.5), (2.0, 9.0), (3.0, 4.5)):
        store.add_draft(table(head_ms), at=at)

    assert [(each.digest, each.added_at) for each in store.drafts()] == [
        (table().digest, 3.0),
        (table(9.0).digest, 2.0),
    ]


def test_pages_of_drafts_hold_each_once_also_where_many_came_at_once(store):
    for number in range(7):
        store.add_draft(table(float(number)), at=float(number // 3))
    found, before = [], None

    while page := store.drafts(before=before, limit=2):
        found += page
        before = (page[-1].added_at, page[-1].digest)

    assert found == store.drafts()
    assert len(found) == 7


def test_a_removed_draft_is_gone(store):
    store.add_draft(table(), at=1.0)

    store.remove_draft(table().digest)

    assert store.drafts() == []
    with pytest.raises(NotFound, match=f"{table().digest}"):
        store.remove_draft(table().digest)


def test_a_draft_that_a_device_shall_use_stays_until_it_shall_use_another(store):
    store.add_draft(table(), at=1.0)
    desire(store, 4.5, device="pi-7", version=3)

    with pytest.raises(Conflict, match="pi-7 shall use it for digits"):
        store.remove_draft(table().digest)
    assert store.draft(table().digest) == table()
    desire(store, 9.0, device="pi-7", version=4)
    store.remove_draft(table().digest)

    assert store.drafts() == []
    assert [each.version for each in store.history("pi-7", "digits")] == [4, 3]
