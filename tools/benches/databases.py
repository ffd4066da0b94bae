"""The databases that benches fill."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tools.benches.postgresql import cluster

DATABASES = ("sqlite", "postgresql")


@contextmanager
def empty_database(name: str) -> Iterator[str]:
    """SQLite in a temporary folder; PostgreSQL as DATABASE_URL says, or a server of its own."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="dynasplit-store-") as folder:
            yield f"sqlite:///{folder}/store.sqlite"
    elif given := os.environ.get("DATABASE_URL"):
        yield given
    else:
        with cluster() as url:
            yield url
