"""What every store must do with drafts that nobody pushed, and with what has ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.computations.port import Computation, ComputationState, TableOrder
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.rollouts.values import Member, MemberState, Plan, Rollout, RolloutState
from cloud.store.sql import SqlStore
from cloud.store.upkeep.port import Perishable
from protocol.configuration import Configuration
from protocol.errors import NotFound
from protocol.jobs import Job, JobKind, JobReport, JobState
from protocol.link import REFERENCE_LINK
from protocol.signing import SignedTable, generate_private_key, sign
from protocol.table import Row, Table

KEY = generate_private_key()
ROW = Row(Configuration(3, 1_500_000), 4.5, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)


@pytest.fixture
def store(migrated_or_memory) -> Iterator[Store]:
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def draft(head_ms: float, *, device: str = "pi-1", version: int = 0) -> Table:
    return Table("digits", "b" * 64, device, REFERENCE_LINK, (replace(ROW, head_ms=head_ms),), version)


def signed(head_ms: float, version: int = 1, *, device: str = "pi-1") -> SignedTable:
    return sign(draft(head_ms, device=device, version=version), KEY)


def rollout(store: Store, name: str, *tables: SignedTable, ended_at: float | None = None) -> None:
    members = tuple(
        Member(each.table.device, each.table.digest, each.table.version, MemberState.WAITING) for each in tables
    )
    store.keep_signed(tables)
    store.add_rollout(Rollout(name, "digits", Plan(), members, created_at=1.0))
    if ended_at is not None:
        store.save_rollout(replace(store.rollout(name), state=RolloutState.STOPPED, ended_at=ended_at))


def test_old_drafts_that_nobody_pushed_go_in_small_steps(store):
    for number in range(10):
        store.add_draft(draft(float(number)), at=float(number))

    steps = [store.forget(Perishable.DRAFTS, before=7.0, limit=4) for _ in range(3)]

    assert steps == [4, 3, 0]
    assert [each.added_at for each in store.drafts()] == [9.0, 8.0, 7.0]


def test_a_draft_whose_content_a_device_was_ever_to_use_stays(store):
    for head_ms in (1.0, 2.0, 3.0):
        store.add_draft(draft(head_ms), at=1.0)
    store.set_desired(signed(1.0, 1, device="pi-7"))
    store.set_desired(signed(2.0, 2, device="pi-7"))
    store.keep_signed([signed(3.0, 3, device="pi-7")])

    assert store.forget(Perishable.DRAFTS, before=5.0) == 1

    assert {each.digest for each in store.drafts()} == {draft(1.0).digest, draft(2.0).digest}


def test_rollouts_go_by_their_end_and_those_that_go_on_stay(store):
    rollout(store, "going on", signed(1.0))
    rollout(store, "ended long ago", signed(2.0, device="pi-2"), ended_at=5.0)
    rollout(store, "ended lately", signed(3.0, device="pi-3"), ended_at=50.0)

    assert store.forget(Perishable.ROLLOUTS, before=10.0) == 1
    assert store.forget(Perishable.ROLLOUTS, before=10.0) == 0

    assert {each.id for each in store.rollouts()} == {"going on", "ended lately"}


def test_a_rollout_takes_the_tables_along_that_nobody_was_ever_to_use(store):
    used, again, unused = signed(1.0), signed(2.0, device="pi-2"), signed(3.0, device="pi-3")
    rollout(store, "ended", used, again, unused, ended_at=5.0)
    store.set_desired(used, at=2.0)
    rollout(store, "a second try", again)

    store.forget(Perishable.ROLLOUTS, before=10.0)

    assert store.signed(used.table.digest) == used
    assert [each.digest for each in store.history("pi-1", "digits")] == [used.table.digest]
    assert store.signed(again.table.digest) == again
    with pytest.raises(NotFound):
        store.signed(unused.table.digest)


def test_computations_go_by_their_end(store):
    order = TableOrder("digits", "pi-1", "b" * 64, ("pi-1",))
    for name in ("waiting", "old", "young"):
        store.add_computation(Computation(name, order, created_at=1.0))
    for name, ended_at in (("old", 5.0), ("young", 50.0)):
        ended = replace(store.computation(name), state=ComputationState.SUCCEEDED, ended_at=ended_at)
        assert store.save_computation(ended)

    assert store.forget(Perishable.COMPUTATIONS, before=10.0) == 1

    assert [store.computation(name).ended_at for name in ("waiting", "young")] == [None, 50.0]
    with pytest.raises(NotFound):
        store.computation("old")


def test_jobs_go_by_their_end_and_the_list_of_their_device_stays_as_it_is(store):
    for name in ("waiting", "old", "young"):
        store.add_job("pi-1", Job(name, JobKind.RESTART), at=1.0)
    for name, ended_at in (("old", 5.0), ("young", 50.0)):
        store.note_job("pi-1", JobReport(name, JobState.SUCCEEDED), at=ended_at)
    before = store.unfinished_jobs("pi-1")

    assert store.forget(Perishable.JOBS, before=10.0) == 1

    assert {each.job.id for each in store.jobs("pi-1")} == {"waiting", "young"}
    assert store.unfinished_jobs("pi-1") == before
