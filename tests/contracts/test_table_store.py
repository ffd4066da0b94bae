"""What every store of tables must do with signed ones: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cloud.store.memory import MemoryStore
from cloud.store.rollouts.values import Plan, Rollout, RolloutState
from cloud.store.sql import SqlStore
from cloud.store.tables.port import NO_TABLE, TableStore
from protocol.configuration import Configuration
from protocol.errors import Conflict, NotFound
from protocol.link import REFERENCE_LINK
from protocol.messages import TableReport, TableState
from protocol.signing import SignedTable, generate_private_key, sign
from protocol.table import Row, Table

KEY = generate_private_key()
ROW = Row(Configuration(3, 1_500_000), 4.5, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)


@pytest.fixture
def store(migrated_or_memory) -> Iterator[TableStore]:
    made = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def signed(version: int, *, device: str = "pi-1", network: str = "digits", head_ms: float = 4.5) -> SignedTable:
    rows = (replace(ROW, head_ms=head_ms),)
    return sign(Table(network, "b" * 64, device, REFERENCE_LINK, rows, version), KEY)


def test_what_was_desired_stays_in_the_history_newest_first(store):
    store.set_desired(signed(1), at=10.0)
    store.set_desired(signed(3, head_ms=9.0), at=20.0)
    store.set_desired(signed(7, device="pi-2"), at=30.0)
    store.set_desired(signed(7, network="faces"), at=30.0)

    newest, oldest = store.history("pi-1", "digits")

    assert [(each.version, each.set_at) for each in (newest, oldest)] == [(3, 20.0), (1, 10.0)]
    assert (oldest.digest, oldest.bundle, oldest.rows) == (signed(1).table.digest, "b" * 64, 1)
    assert store.history("pi-1", "digits", limit=1) == [newest]
    assert store.history("pi-1", "digits", below=3) == [oldest]
    assert store.history("pi-1", "digits", below=1) == []
    assert store.signed(oldest.digest) == signed(1)
    assert store.history("pi-9", "digits") == []


def test_tables_that_differ_in_device_and_version_alone_share_their_content(store):
    for each in (signed(1), signed(4, device="pi-2"), signed(1, device="pi-3", head_ms=9.0)):
        store.set_desired(each)

    same, too, other = store.desired_versions("digits").values()

    assert same.version.content_digest == too.version.content_digest
    assert other.version.content_digest != same.version.content_digest


def test_a_table_that_is_only_kept_is_nobodys(store):
    store.keep_signed([signed(2), signed(2, device="pi-2"), signed(2)])
    store.keep_signed([signed(2)])
    store.keep_signed([])

    assert store.signed(signed(2).table.digest) == signed(2)
    assert store.desired("pi-1", "digits") is None
    assert store.history("pi-1", "digits") == []
    with pytest.raises(NotFound, match="ffff"):
        store.signed("f" * 64)


def test_a_kept_table_enters_the_history_when_it_becomes_the_desired_one(store):
    store.keep_signed([signed(2)])

    store.set_desired(signed(2), at=5.0)
    store.set_desired(signed(2), at=6.0)

    assert [(each.version, each.set_at) for each in store.history("pi-1", "digits")] == [(2, 5.0)]


def test_a_refused_table_does_not_enter_the_history(store):
    store.set_desired(signed(2))

    with pytest.raises(Conflict):
        store.set_desired(signed(1))

    assert [each.version for each in store.history("pi-1", "digits")] == [2]


def test_who_shall_use_what_is_told_by_network(store):
    store.set_desired(signed(2), at=1.0)
    store.set_desired(signed(1, device="pi-2"), at=2.0)
    store.set_desired(signed(9, network="faces"), at=3.0)
    store.note_published("pi-1", "digits", digest=signed(2).table.digest)

    found = store.desired_versions("digits")

    assert {device: (each.version.version, each.published) for device, each in found.items()} == {
        "pi-1": (2, True),
        "pi-2": (1, False),
    }
    assert store.desired_versions("nothing") == {}


def test_the_latest_reports_are_told_by_network(store):
    applied = TableReport("digits", "d" * 64, 1, TableState.APPLIED)
    store.note_report("pi-1", TableReport("digits", "c" * 64, 0, TableState.REJECTED, "old"), at=1.0)
    store.note_report("pi-1", applied, at=2.0)
    store.note_report("pi-2", TableReport("faces", "d" * 64, 1, TableState.APPLIED), at=3.0)

    (received,) = store.reports("digits").values()

    assert (received.report, received.at) == (applied, 2.0)


def running(store, rollout: str) -> None:
    store.add_rollout(Rollout(rollout, "digits", Plan(), (), created_at=1.0))
    store.save_rollout(replace(store.rollout(rollout), state=RolloutState.RUNNING))


def test_a_table_of_a_rollout_becomes_desired_only_while_it_runs(store):
    store.add_device("pi-1", token_sha256="pi-1")
    running(store, "one")
    store.set_desired(signed(1), at=1.0, rollout="one")

    store.save_rollout(replace(store.rollout("one"), state=RolloutState.CANCELED))
    with pytest.raises(Conflict, match="one does not run any more"):
        store.set_desired(signed(2), at=2.0, rollout="one")

    assert [each.version for each in store.history("pi-1", "digits")] == [1]


def retired(store, device: str = "pi-1") -> None:
    store.add_device(device, token_sha256=device)
    store.remove_device(device, at=9.0)


def test_a_rollout_gives_no_table_to_a_device_that_was_retired(store):
    running(store, "one")
    store.set_desired(signed(1))
    retired(store)

    for device in ("pi-1", "pi-2"):
        with pytest.raises(Conflict, match=f"device {device} is not registered"):
            store.set_desired(signed(2, device=device), rollout="one")

    assert (store.desired("pi-1", "digits"), store.withdrawn("pi-1")) == (None, ["digits"])
    assert store.last_versions("digits") == {"pi-1": 1}


def test_of_a_rollout_and_a_retirement_at_once_no_table_is_left(store):
    running(store, "one")
    for turn in range(10):
        store.add_device("pi-1", token_sha256=f"{turn}")

        with ThreadPoolExecutor(2) as threads:
            sending = threads.submit(store.set_desired, signed(turn + 1), rollout="one")
            threads.submit(store.remove_device, "pi-1", at=9.0).result()

        assert isinstance(sending.exception(), (Conflict, type(None)))
        assert store.desired("pi-1", "digits") is None


def test_a_device_that_is_removed_shall_use_nothing_until_it_gets_a_newer_table(store):
    for table in (signed(3), signed(1, network="faces"), signed(1, device="pi-2")):
        store.set_desired(table, at=1.0)
        store.note_published(table.table.device, table.table.network, digest=table.table.digest)
    store.note_report("pi-1", TableReport("digits", signed(3).table.digest, 3, TableState.APPLIED), at=2.0)

    retired(store)

    assert (store.desired("pi-1", "digits"), store.reported("pi-1", "digits")) == (None, None)
    assert list(store.desired_versions("digits")) == ["pi-2"]
    assert (store.withdrawn("pi-1"), store.withdrawn("pi-2")) == (["digits", "faces"], [])
    assert store.last_versions("digits") == {"pi-1": 3, "pi-2": 1}
    assert [each.version for each in store.history("pi-1", "digits")] == [3]
    with pytest.raises(Conflict, match="not newer than 3; sign it again under version 4"):
        store.set_desired(signed(2))
    store.set_desired(signed(4), at=5.0)
    assert store.withdrawn("pi-1") == ["faces"]
    assert store.desired_versions("digits")["pi-1"].version.version == 4


def test_what_was_withdrawn_is_to_be_cleared_until_somebody_did(store):
    store.set_desired(signed(3))
    retired(store)

    store.note_published("pi-1", "digits", digest=signed(3).table.digest)
    assert store.unpublished_desired() == [("pi-1", "digits")]
    store.note_published("pi-1", "digits", digest=NO_TABLE)
    assert store.unpublished_desired() == []
    store.set_desired(signed(4))
    store.note_published("pi-1", "digits", digest=NO_TABLE)

    assert store.unpublished_desired() == [("pi-1", "digits")]


def test_a_broker_that_may_have_lost_all_is_to_be_told_all_of_it(store):
    for network in ("digits", "faces"):
        store.set_desired(signed(3, network=network))
        store.note_published("pi-1", network, digest=signed(3, network=network).table.digest)
    assert store.unpublished_desired() == []

    store.note_desired_lost()
    assert store.unpublished_desired() == [("pi-1", "digits"), ("pi-1", "faces")]
    retired(store)
    for network in ("digits", "faces"):
        store.note_published("pi-1", network, digest=NO_TABLE)
    assert store.unpublished_desired() == []

    store.note_desired_lost()
    assert store.unpublished_desired() == [("pi-1", "digits"), ("pi-1", "faces")]


def test_a_device_has_tables_once_it_was_to_use_one_or_spoke_of_one(store):
    store.set_desired(signed(1))
    store.note_report("pi-2", TableReport("digits", "c" * 64, 0, TableState.REJECTED, "old"), at=1.0)
    retired(store)

    assert [store.has_tables(device) for device in ("pi-1", "pi-2", "pi-3")] == [True, True, False]


def test_what_nobody_has_can_be_noted_as_published(store):
    store.note_published("pi-1", "digits", digest=NO_TABLE)

    assert (store.unpublished_desired(), store.last_versions("digits")) == ([], {})


def test_a_network_is_known_by_a_bundle_or_by_a_table_that_anybody_was_to_use(store):
    store.set_desired(signed(1))
    store.keep_signed([signed(1, network="kept")])
    store.note_report("pi-1", TableReport("told", "c" * 64, 0, TableState.REJECTED, "old"), at=1.0)
    store.add_bundle("b" * 64, network="faces")
    retired(store)

    known = [name for name in ("digits", "faces", "kept", "told", "none") if store.knows_network(name)]

    assert known == ["digits", "faces"]
