"""What every store of rollouts must do: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.memory import MemoryStore
from cloud.store.rollouts.port import RolloutStore
from cloud.store.rollouts.values import Member, MemberState, Plan, Rollout, RolloutState
from cloud.store.sql import SqlStore
from protocol.errors import Conflict, NotFound
from protocol.messages import TableState


@pytest.fixture
def store(migrated_or_memory) -> Iterator[RolloutStore]:
    made = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def rollout(name: str, *, network: str = "digits", created_at: float = 1.0) -> Rollout:
    members = (Member("pi-1", "a" * 64, 3), Member("pi-2", "b" * 64, 1, MemberState.APPLIED, 1, "", 5.0, None, "c"))
    plan = Plan(0.5, 3.0, 10.0, 20.0, stop_on=(TableState.REJECTED,))
    return Rollout(name, network, plan, members, created_at=created_at)


def test_a_rollout_comes_back_as_it_was(store):
    store.add_rollout(rollout("one"))

    assert store.rollout("one") == rollout("one")
    with pytest.raises(NotFound, match="two"):
        store.rollout("two")


def test_rollouts_are_told_newest_first_and_those_that_go_on_oldest_first(store):
    for number, network in enumerate(["digits", "faces", "digits"]):
        made = rollout(f"r{number}", network=network, created_at=float(number))
        store.add_rollout(replace(made, members=made.members[:1] if number else made.members[1:]))
    store.save_rollout(replace(store.rollout("r1"), state=RolloutState.DONE))

    assert [each.id for each in store.rollouts()] == ["r2", "r1", "r0"]
    assert [each.id for each in store.rollouts(network="digits", limit=1)] == ["r2"]
    assert [each.id for each in store.rollouts(network="digits", before=(2.0, "r2"))] == ["r0"]
    assert [each.id for each in store.rollouts(before=(2.0, "r2"), limit=1)] == ["r1"]
    assert [each.id for each in store.unfinished_rollouts()] == ["r0", "r2"]


def test_of_two_changes_of_one_revision_the_first_counts(store):
    store.add_rollout(rollout("one"))
    known = store.rollout("one")

    assert store.save_rollout(replace(known, state=RolloutState.RUNNING, stage=1))
    assert not store.save_rollout(replace(known, state=RolloutState.CANCELED))

    kept = store.rollout("one")
    assert (kept.state, kept.stage, kept.revision) == (RolloutState.RUNNING, 1, known.revision + 1)
    assert store.save_rollout(replace(kept, state=RolloutState.DONE))
    assert not store.save_rollout(rollout("nobody knows it"))


def test_of_two_that_start_at_once_for_one_device_one_wins(store):
    results: list[object] = []
    barrier = threading.Barrier(4)

    def begin(name: str) -> None:
        barrier.wait(timeout=20)
        try:
            results.append(store.add_rollout(rollout(name)))
        except Conflict as error:
            results.append(error)

    threads = [threading.Thread(target=begin, args=(f"r{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = store.unfinished_rollouts()
    assert sum(result is None for result in results) == 1
    assert all(winner.id in str(result) for result in results if result is not None)


def test_those_that_have_ended_stand_in_nobodys_way(store):
    store.add_rollout(rollout("one"))
    store.save_rollout(replace(store.rollout("one"), state=RolloutState.STOPPED))

    store.add_rollout(rollout("two"))

    assert [each.id for each in store.unfinished_rollouts()] == ["two"]
