"""The databases that a search may be shared in, SQLite files and PostgreSQL: how they are reached, and whose they are."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from cloud.database.schema import metadata as store
from protocol.errors import InvalidInput, ServiceMissing

_TABLES_LOCK = 0x44594E53
"""The key of the PostgreSQL advisory lock under which tables are made."""

_OPTUNAS = "version_info"
"""A table that Optuna makes before it numbers its schema."""


def parsed(url: str) -> sa.URL:
    """The URL with the driver that is used; InvalidInput for one that cannot be."""
    try:
        found = sa.make_url(url)
    except ArgumentError as error:
        raise InvalidInput("storage must look like sqlite:///FILE or postgresql://user:password@host/name") from error
    if found.drivername in ("postgres", "postgresql"):
        return found.set(drivername="postgresql+psycopg")
    if found.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidInput(f"storage {found.drivername!r:.40} is not supported: use sqlite or postgresql")
    if found.get_backend_name() == "sqlite" and found.database in (None, "", ":memory:"):
        raise InvalidInput("storage: SQLite needs a file, as in sqlite:///search.sqlite")
    return found


def engine_of(url: sa.URL) -> sa.Engine:
    """InvalidInput for a driver that is not installed."""
    try:
        return sa.create_engine(url, **engine_arguments(url))
    except (NoSuchModuleError, ImportError) as error:
        raise InvalidInput(f"storage driver {url.drivername!r:.40} cannot be used: {error}") from error


def engine_arguments(url: sa.URL) -> dict[str, Any]:
    """How connections wait, and that those which broke are noticed."""
    waiting = {"timeout": 30} if url.get_backend_name() == "sqlite" else {"connect_timeout": 5}
    return {"connect_args": waiting, "pool_pre_ping": True}


def check_free(engine: sa.Engine) -> None:
    """InvalidInput for a database that is not for searches: Optuna and the cloud's store both number their schema in the
    table `alembic_version`, so that either would spoil the other."""
    tables = set(sa.inspect(engine).get_table_names())
    if tables & store.tables.keys() or ("alembic_version" in tables and _OPTUNAS not in tables):
        raise InvalidInput(
            f"storage {engine.url.render_as_string(hide_password=True)} is the database of the cloud's store, or of "
            "another program: give the search one of its own, such as sqlite:///search.sqlite"
        )


@contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """Held by one worker at a time: tables that two make at once are an error."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_TABLES_LOCK)))
            yield
            return
    path = Path(f"{engine.url.database}.lock")
    try:
        lock = path.open("w")
    except OSError as error:
        raise ServiceMissing(f"storage {engine.url}: {path} cannot be made: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def first_line(error: BaseException) -> str:
    """What the database said, without what the libraries around it add."""
    cause = getattr(error, "orig", None) or error.__cause__ or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
