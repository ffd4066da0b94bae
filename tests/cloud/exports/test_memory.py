"""An export of any length needs as much memory as a short one: from the database to the last byte."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from cloud.store.records.port import Arrival
from cloud.store.sql import SqlStore

ROWS = 5_000


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite"


@pytest.fixture
def store(url, inference) -> Iterator[SqlStore]:
    made = SqlStore(url)
    body = inference.to_json()
    if not made.count_inferences():
        made.write([Arrival("pi-1", "boot", number, 1.0, body, inference) for number in range(ROWS)])
    yield made
    made.close()


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_memory_does_not_grow_with_what_is_exported(make_backend, store, form, monkeypatch):
    monkeypatch.setattr("cloud.exports.parquet._GROUP_ROWS", 1_000)
    backend = make_backend(store=store)

    def most_bytes(limit: int) -> int:
        path, headers = f"/api/v1/inferences?format={form}&limit={limit}", {"Authorization": "Bearer operator-token"}
        tracemalloc.start()
        with backend.client.get(path, headers=headers, buffered=False) as answer:
            assert answer.status_code == 200
            written = sum(len(piece) for piece in answer.iter_encoded())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert written > 0
        return peak

    most_bytes(100)

    assert most_bytes(ROWS) < 1.5 * most_bytes(2_000)
