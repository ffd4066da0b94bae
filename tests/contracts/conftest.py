"""What several contracts need: empty databases, and a PostgreSQL server of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from protocol.errors import ServiceMissing
from tools.benches.postgresql import cluster

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def _url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/contract.sqlite"
    return str(request.getfixturevalue("postgresql")())


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    return _url(request, tmp_path)


@pytest.fixture(params=["memory", *DATABASES])
def database_or_memory(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The same, and None for an implementation that lives in memory."""
    return None if request.param == "memory" else _url(request, tmp_path)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """A private cluster on a unix socket; gives the URL of a fresh database at each call."""
    try:
        with cluster(durable=False) as url:
            yield _fresh_databases(url)
    except ServiceMissing as missing:
        pytest.skip(str(missing))


def _fresh_databases(url: str) -> Callable[[], str]:
    numbers = iter(range(1_000_000))

    def fresh() -> str:
        name = f"db{next(numbers)}"
        engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return url.replace("/postgres?", f"/{name}?")

    return fresh
