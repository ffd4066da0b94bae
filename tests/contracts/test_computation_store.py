"""What every store of computations must do: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.computations.port import Computation, ComputationState, ComputationStore, TableOrder
from cloud.store.memory import MemoryStore
from cloud.store.sql import SqlStore
from protocol.errors import NotFound


@pytest.fixture
def store(migrated_or_memory) -> Iterator[ComputationStore]:
    made = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def computation(name: str, *, created_at: float = 1.0) -> Computation:
    order = TableOrder("digits", "pi-1", "b" * 64, ("pi-1", "pi-2"), run="job-7", partial=True)
    return Computation(name, order, created_at, drafts={"pi-1": "d" * 64}, facts={"rows": 3})


def test_a_computation_comes_back_as_it_was(store):
    store.add_computation(computation("one"))

    assert store.computation("one") == computation("one")
    with pytest.raises(NotFound, match="two"):
        store.computation("two")


def test_those_that_go_on_are_told_oldest_first(store):
    for number in range(3):
        store.add_computation(computation(f"c{number}", created_at=5.0 - number))
    store.save_computation(replace(store.computation("c1"), state=ComputationState.FAILED))

    assert [each.id for each in store.unfinished_computations()] == ["c2", "c0"]


def test_of_two_changes_of_one_revision_the_first_counts(store):
    store.add_computation(computation("one"))
    known = store.computation("one")

    assert store.save_computation(replace(known, state=ComputationState.RUNNING, attempts=1))
    assert not store.save_computation(replace(known, state=ComputationState.FAILED))

    kept = store.computation("one")
    assert (kept.state, kept.attempts, kept.revision) == (ComputationState.RUNNING, 1, known.revision + 1)
    assert not store.save_computation(computation("nobody knows it"))
