"""What several contracts need: databases, empty or with the store's schema, and a PostgreSQL server of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.database.engine import Database
from protocol.errors import ServiceMissing
from tools.benches.postgresql import cluster

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def _empty(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{folder}/contract.sqlite"
    return str(request.getfixturevalue("postgresql")())


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    return _empty(request, tmp_path)


@pytest.fixture(scope="module", params=DATABASES)
def lasting_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same, once for all tests of a file."""
    return _empty(request, tmp_path_factory.mktemp("lasting"))


@pytest.fixture(params=["memory", *DATABASES])
def database_or_memory(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The URL of an empty database, and None for an implementation that lives in memory."""
    return None if request.param == "memory" else _empty(request, tmp_path)


@pytest.fixture(params=["memory", *DATABASES])
def migrated_or_memory(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The URL of a database with the store's schema and no row, once of each kind, and None for a store that lives in memory."""
    match request.param:
        case "sqlite":
            copy = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "contract.sqlite")
            return f"sqlite:///{copy}"
        case "postgresql":
            return str(request.getfixturevalue("postgresql")(template=request.getfixturevalue("migrated_template")))
        case _:
            return None


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What SQLite needs to be copied only: all migrations take longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "store.sqlite"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_template(postgresql: Callable[..., str]) -> str:
    """The name of the same database for PostgreSQL to copy."""
    url = postgresql()
    _migrate(url)
    return str(sa.make_url(url).database)


def _migrate(url: str) -> None:
    made = Database(url)
    made.migrate()
    made.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[..., str]]:
    """A private cluster on a unix socket; gives the URL of a fresh database at each call, empty or a copy of `template`."""
    try:
        with cluster(durable=False) as url:
            yield _fresh_databases(url)
    except ServiceMissing as missing:
        pytest.skip(str(missing))


def _fresh_databases(url: str) -> Callable[..., str]:
    numbers = iter(range(1_000_000))
    server = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def fresh(template: str = "template1") -> str:
        name = f"db{next(numbers)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return url.replace("/postgres?", f"/{name}?")

    return fresh
