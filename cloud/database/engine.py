"""The database: its engine, its transactions, and bringing its schema up to date."""

from __future__ import annotations

import fcntl
import functools
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cloud.database.json_text import json_text
from protocol.errors import InvalidInput, ServiceMissing

logger = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT_MS = 10_000
_POOL_TIMEOUT_S = 5
"""For a connection that others have: as long as for a new one. A database that hangs never gives them back."""
_CONNECTION = {
    "connect_timeout": 5,
    # A server whose machine or cable is gone says nothing: the kernel would wait for a quarter of an hour (libpq, 34.1.2).
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_BOUNDS = {
    # For one statement, also where it waits for a lock; none of ours takes seconds. Migrations may.
    "statement_timeout": 60_000,
    # A process that froze within a transaction, or whose machine is gone, holds rows that all others wait for.
    "idle_in_transaction_session_timeout": 15_000,
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
}
"""What the server shall give up by itself, in ms, and in s and tries where it looks whether we are there."""
_BEGIN, _BEGIN_WRITING = "BEGIN", "BEGIN IMMEDIATE"
_ONE_STATE: Mapping[str, Mapping[str, str]] = {"sqlite": {}, "postgresql": {"isolation_level": "REPEATABLE READ"}}
"""What makes all statements of a transaction see the same; SQLite always does (PostgreSQL's documentation, section 13.2)."""
_MIGRATION_LOCK = 0x44594E41
"""The key of the PostgreSQL advisory lock under which the schema is brought up to date."""


class Database:
    """SQLite or PostgreSQL behind short transactions. Thread-safe.

    The schema is brought up to date before the first transaction, by one process at a time. A database that is away
    raises ServiceMissing then and is tried again at the next transaction.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._reads = self._engine.execution_options(**_ONE_STATE[self.dialect])
        self._writes = self._engine.execution_options(begin=_BEGIN_WRITING)
        self._where = self._engine.url.render_as_string(hide_password=True)
        self._lock = threading.Lock()
        self._migrated = False

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that reads one state of the database."""
        with self._transaction(self._reads) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that has committed when the block ends, and changes nothing when the block raises.

        On SQLite it takes the write lock at once: a reader that turns writer later fails when another one wrote between.
        """
        with self._transaction(self._writes) as connection:
            yield connection

    def migrate(self) -> None:
        """Brings the schema up to date; a process that does so at the same time is waited for."""
        with self._lock:
            if not self._migrated:
                with self._errors_told():
                    self._upgrade()
                self._migrated = True

    def check_schema(self) -> None:
        """ServiceMissing where the schema is older than this version needs, as after an old backup was put back under it.

        A newer one is none of its business: whoever migrated is about to take its place.
        """
        with self.reading() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        scripts = _scripts()
        head = scripts.get_current_head()
        if found != head and (found is None or found in {each.revision for each in scripts.walk_revisions()}):
            raise ServiceMissing(
                f"database {self._where} has schema {found}, this version needs {head}: run python -m cloud.database.migrate"
            )

    def close(self) -> None:
        """Closes all connections that are not in use."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        if not self._migrated:
            self.migrate()
        with self._errors_told(), engine.begin() as connection:
            yield connection

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise ServiceMissing(
                f"database {self._where} cannot be used: all connections are taken, by questions that it does not answer"
            ) from error
        except (OperationalError, InterfaceError) as error:
            raise ServiceMissing(
                f"database {self._where} cannot be used: {_first_line(error.orig or error)}"
            ) from error
        except DataError as error:
            raise InvalidInput(f"the database cannot keep this: {_first_line(error.orig or error)}") from error
        except DatabaseError as error:
            if error.connection_invalidated:
                # The server ended it, as that of a process which froze within a transaction.
                ended = _first_line(error.orig or error)
                raise ServiceMissing(f"database {self._where} ended the connection: {ended}") from error
            if type(error) is not DatabaseError:  # the other kinds are faults of ours
                raise
            # SQLite's word for a file that is something else, or damaged.
            raise ServiceMissing(
                f"database {self._where} cannot be used: {_first_line(error.orig or error)}; "
                "move the file away or bring back a good copy"
            ) from error

    def _upgrade(self) -> None:
        if self.dialect == "sqlite":
            with _only_process(self._file()):
                with self._engine.execution_options(begin="").begin() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                with self._engine.execution_options(begin=_BEGIN_WRITING).begin() as connection:
                    _to_head(connection)
            return
        with self._engine.begin() as connection:
            connection.exec_driver_sql(
                "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
            )
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            _to_head(connection)

    def _file(self) -> Path:
        path = Path(self._engine.url.database or "")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceMissing(f"folder {path.parent} for the database cannot be made: {error.strerror}") from error
        return path


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise InvalidInput(
            "database URL must look like sqlite:///FILE or postgresql://user:password@host/name"
        ) from error
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    if parsed.get_backend_name() != "postgresql":
        raise InvalidInput(f"database {parsed.drivername!r:.40} is not supported: use sqlite or postgresql")
    return _postgresql_engine(parsed)


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url, pool_pre_ping=True, pool_timeout=_POOL_TIMEOUT_S, json_serializer=json_text, connect_args=_CONNECTION
        )
    except (NoSuchModuleError, ImportError) as error:
        raise InvalidInput(f"database driver {url.drivername!r:.40} cannot be used: {error}") from error

    @sa.event.listens_for(engine, "connect", insert=True)
    def bound_statements(connection: Any, _record: object) -> None:
        # Not among libpq's options: poolers such as PgBouncer refuse those. What the role or the server says stands.
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config(name, bound, false) FROM pg_settings JOIN unnest(%s::text[], %s::text[])"
                " AS wanted (name, bound) USING (name) WHERE source = 'default'",
                (list(_BOUNDS), [str(bound) for bound in _BOUNDS.values()]),
            )
        connection.autocommit = False

    return engine


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise InvalidInput("SQLite needs a file, as in sqlite:////var/lib/dynasplit/dynasplit.sqlite")
    engine = sa.create_engine(url, json_serializer=json_text, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000})

    @sa.event.listens_for(engine, "connect")
    def take_over_transactions(connection: Any, _record: object) -> None:
        # The driver would begin late and never for DDL; see "Enabling Non-Legacy SQLite Transactional Modes" in SQLAlchemy.
        connection.isolation_level = None
        # What was acknowledged must outlive a power cut: devices delete it.
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if statement := connection.get_execution_options().get("begin", _BEGIN):
            connection.exec_driver_sql(statement)

    return engine


@contextmanager
def _only_process(database: Path) -> Iterator[None]:
    """Held by one process at a time: WAL cannot be switched on while another connection looks on."""
    path = database.with_name(f"{database.name}.lock")
    try:
        lock = path.open("w")
    except OSError as error:
        raise ServiceMissing(f"database {database} cannot be used: {path} cannot be made: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def _scripts() -> ScriptDirectory:
    """The migrations, read once: readiness is asked for all the time."""
    return ScriptDirectory(str(_MIGRATIONS))


def _to_head(connection: sa.Connection) -> None:
    config = Config()
    # A percent sign would be read as interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ServiceMissing(
            f"the schema is not one of this version's: {_first_line(error)}; run a newer version"
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
