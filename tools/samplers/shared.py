"""The ledger that several workers share: leases in a database, which end when their worker dies.

It lives beside Optuna's tables in one database, SQLite or PostgreSQL. A lease belongs to the worker that first wrote
its row; while that worker measures, it renews the lease. A lease that nobody has renewed for the grace period is given
back to the budget, and anybody may claim that configuration again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import sqlalchemy as sa
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)

from planner.searching.campaign import Known
from planner.space import Space
from protocol.configuration import Configuration
from protocol.documents import canonical_bytes, digest_of
from protocol.errors import Conflict, ServiceMissing
from protocol.measurement import Measurement
from tools.samplers.databases import alone, check_free, engine_arguments, engine_of, first_line, parsed
from tools.samplers.renewal import Renewal

GRACE_S = 60
"""A worker that has not been heard of for so long is taken for dead."""

logger = logging.getLogger(__name__)

_TABLES = sa.MetaData()
_CAMPAIGNS = sa.Table(
    "dynasplit_campaigns",
    _TABLES,
    sa.Column("study", sa.String(300), primary_key=True),
    sa.Column("space", sa.String(64), nullable=False),
    sa.Column("budget", sa.Integer, nullable=False),
)
_LEASES = sa.Table(
    "dynasplit_leases",
    _TABLES,
    sa.Column("study", sa.String(300), primary_key=True),
    sa.Column("configuration", sa.String(300), primary_key=True),
    sa.Column("worker", sa.String(32), nullable=False),
    sa.Column("renewed_at", sa.Double, nullable=False),
    sa.Column("measurements", sa.Text),
)


class SharedLedger:
    """A `planner.searching.campaign.Ledger` in a database. One per worker process; `study` names the search that workers share.

    The first worker's budget and space hold for all: Conflict for a worker that comes with another one. InvalidInput for
    a URL that cannot be and for a database that others keep, ServiceMissing while the database is away. A worker that
    others took for dead, and that comes back, has what it measured discarded. `known` may hold what this worker measured
    before; it is known to all from then on, and counts towards the budget.
    """

    def __init__(
        self,
        url: str,
        *,
        study: str,
        space: Space,
        budget: int,
        known: Known | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self.study = study
        self._url = parsed(url)
        self._engine = engine_of(self._url)
        self._worker = uuid.uuid4()
        self._grace_s = grace_s
        self._known: dict[Configuration, Sequence[Measurement]] = {}
        self._learned_at_s: float | None = None
        self._renewal: Renewal | None = None
        self._also: Callable[[], None] | None = None
        self._storage: RDBStorage | None = None
        try:
            with self.telling_faults():
                check_free(self._engine)
            with self.telling_faults(), alone(self._engine):
                _TABLES.create_all(self._engine)
            self._budget = self._joined(space, budget)
            self._enter(known or {})
        except BaseException:
            self.close()
            raise

    @property
    def worker_number(self) -> int:
        """A number that differs between workers."""
        return self._worker.int % 2**31

    def optuna_storage(self) -> RDBStorage:
        """Optuna's part of the database, with heartbeats; its tables are made when they are first needed."""
        if self._storage is None:
            with self.telling_faults(), alone(self._engine):
                self._storage = self._made_storage()
        return self._storage

    def known(self) -> Known:
        with self.telling_faults(), self._engine.connect() as connection:
            count = connection.scalar(sa.select(sa.func.count()).where(*self._recorded)) or 0
            if count > len(self._known):
                self._learn(connection, since_s=self._learned_at_s)
            if count > len(self._known):
                self._learn(connection, since_s=None)  # one was committed late, or the database's clock was set back
        return self._known

    def left(self) -> int:
        paused = threading.Event()
        while True:
            with self.telling_faults(), self._engine.begin() as connection:
                self._locked(connection)
                held = connection.execute(
                    sa.select(_LEASES.c.measurements.is_(None)).where(_LEASES.c.study == self.study)
                ).all()
            open_leases = sum(bool(is_open) for (is_open,) in held)
            if len(held) < self._budget or not open_leases:
                return max(0, self._budget - len(held))
            paused.wait(min(self._grace_s / 10, 1.0))

    def claim(self, configuration: Configuration) -> bool:
        with self.telling_faults(), self._engine.begin() as connection:
            self._locked(connection)
            count = connection.scalar(
                sa.select(sa.func.count()).select_from(_LEASES).where(_LEASES.c.study == self.study)
            )
            if (count or 0) >= self._budget or connection.scalar(sa.select(sa.exists(self._lease(configuration)))):
                return False
            connection.execute(
                _LEASES.insert().values(
                    study=self.study,
                    configuration=_text(configuration),
                    worker=self._worker.hex,
                    renewed_at=self._now,
                )
            )
        self._renewal = Renewal(lambda: self._renew(configuration), every_s=self._grace_s / 4)
        return True

    def record(self, configuration: Configuration, measurements: Sequence[Measurement]) -> None:
        """As the port says. While the database is away it is tried again, until the lease would have ended."""
        content = _content(measurements)
        try:
            kept = self._persistently(lambda: self._record(configuration, content))
        finally:
            self._stop_renewing()
        if not kept:
            logger.warning(
                "%s was measured too late: its lease had ended, and what came out is discarded", configuration
            )

    def give_back(self, configuration: Configuration) -> None:
        self._stop_renewing()
        with self.telling_faults(), self._engine.begin() as connection:
            connection.execute(_LEASES.delete().where(*self._mine(configuration)))

    @contextmanager
    def telling(self, alive: Callable[[], None]) -> Iterator[None]:
        """Calls `alive` as well whenever a lease is renewed."""
        alive()
        self._also = alive
        try:
            yield
        finally:
            self._also = None

    def close(self) -> None:
        """Closes the connections."""
        self._stop_renewing()
        if self._storage:
            self._storage.remove_session()
            self._storage.engine.dispose()
        self._engine.dispose()

    def _joined(self, space: Space, budget: int) -> int:
        """Enters the campaign, or checks that it is the one that was entered; the budget that holds."""
        mine = {"study": self.study, "space": _digest(space), "budget": budget}
        with self.telling_faults():
            try:
                with self._engine.begin() as connection:
                    connection.execute(_CAMPAIGNS.insert().values(**mine))
            except IntegrityError:
                """Another worker came first, or the search is gone on with."""
            with self._engine.connect() as connection:
                (found,) = connection.execute(_CAMPAIGNS.select().where(_CAMPAIGNS.c.study == self.study)).mappings()
        if found["space"] != mine["space"]:
            raise Conflict(f"the study {self.study} of this storage searches another space: name another study")
        if found["budget"] != budget:
            raise Conflict(
                f"the study {self.study} of this storage was begun with a budget of {found['budget']}, not {budget}: "
                f"give --budget {found['budget']} to take part in it, or another --storage to search anew"
            )
        return budget

    def _learn(self, connection: sa.Connection, *, since_s: float | None) -> None:
        """Takes over what was recorded since that time; whatever was recorded with None."""
        new = sa.select(_LEASES.c.configuration, _LEASES.c.measurements, _LEASES.c.renewed_at).where(*self._recorded)
        if since_s is not None:
            new = new.where(_LEASES.c.renewed_at >= since_s)
        for text, measurements, at_s in connection.execute(new.order_by(_LEASES.c.renewed_at)):
            configuration = Configuration.from_json(json.loads(text))
            if configuration not in self._known:
                self._known[configuration] = tuple(map(Measurement.from_json, json.loads(measurements)))
            self._learned_at_s = at_s

    def _enter(self, known: Known) -> None:
        """Records what nobody has claimed yet."""
        if not known:
            return
        with self.telling_faults(), self._engine.begin() as connection:
            self._locked(connection)
            claimed = set(connection.scalars(sa.select(_LEASES.c.configuration).where(_LEASES.c.study == self.study)))
            for configuration, measurements in known.items():
                if (text := _text(configuration)) not in claimed:
                    lease = {"study": self.study, "configuration": text, "worker": self._worker.hex}
                    content = _content(measurements)
                    connection.execute(_LEASES.insert().values(**lease, measurements=content, renewed_at=self._now))

    def _record(self, configuration: Configuration, content: str) -> bool:
        """Whether what this worker measured is recorded now, be it by a try before that only seemed to fail."""
        with self._engine.begin() as connection:
            recorded = _LEASES.update().where(*self._mine(configuration))
            if connection.execute(recorded.values(measurements=content, renewed_at=self._now)).rowcount:
                return True
            held_by = connection.scalar(self._lease(configuration).where(*self._recorded))
        return held_by == self._worker.hex

    def _persistently(self, write: Callable[[], bool]) -> bool:
        """Writes, again and again for the grace period while the database is away; then ServiceMissing."""
        paused, ends_s = threading.Event(), time.monotonic() + self._grace_s
        with self.telling_faults():
            while True:
                try:
                    return write()
                except (OperationalError, InterfaceError) as error:
                    if time.monotonic() >= ends_s:
                        raise
                    logger.warning("a measurement is not recorded yet, and is tried again: %s", first_line(error))
                paused.wait(self._grace_s / 20)

    def _locked(self, connection: sa.Connection) -> None:
        """One worker at a time from here to the end of the transaction, and what the dead held is given back."""
        connection.execute(
            _CAMPAIGNS.update().where(_CAMPAIGNS.c.study == self.study).values(budget=_CAMPAIGNS.c.budget)
        )
        connection.execute(
            _LEASES.delete().where(
                _LEASES.c.study == self.study,
                _LEASES.c.measurements.is_(None),
                _LEASES.c.renewed_at < self._now - self._grace_s,
            )
        )

    def _renew(self, configuration: Configuration) -> None:
        with self._engine.begin() as connection:
            connection.execute(_LEASES.update().where(*self._mine(configuration)).values(renewed_at=self._now))
        if self._also:
            self._also()

    def _stop_renewing(self) -> None:
        if self._renewal:
            self._renewal.stop()
        self._renewal = None

    def _lease(self, configuration: Configuration) -> sa.Select[str]:
        return sa.select(_LEASES.c.worker).where(
            _LEASES.c.study == self.study, _LEASES.c.configuration == _text(configuration)
        )

    def _mine(self, configuration: Configuration) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            _LEASES.c.study == self.study,
            _LEASES.c.configuration == _text(configuration),
            _LEASES.c.worker == self._worker.hex,
            _LEASES.c.measurements.is_(None),
        )

    @property
    def _recorded(self) -> tuple[sa.ColumnElement[bool], ...]:
        return _LEASES.c.study == self.study, _LEASES.c.measurements.is_not(None)

    @cached_property
    def _now(self) -> sa.ColumnElement[float]:
        """The database's clock, in seconds: that of the workers may differ."""
        if self._engine.dialect.name == "sqlite":
            return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Double)
        return sa.literal_column("extract(epoch from clock_timestamp())", sa.Double)

    def _made_storage(self) -> RDBStorage:
        beat_s = max(1, int(self._grace_s / 4))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return RDBStorage(
                self._url.render_as_string(hide_password=False),
                engine_kwargs=engine_arguments(self._url),
                heartbeat_interval=beat_s,
                grace_period=max(2 * beat_s, int(self._grace_s / 2)),  # trials end before their leases
            )

    @contextmanager
    def telling_faults(self) -> Iterator[None]:
        """What the database does wrong becomes ServiceMissing, in one line."""
        try:
            yield
        except (DatabaseError, StorageInternalError) as error:
            where = self._url.render_as_string(hide_password=True)
            raise ServiceMissing(f"storage {where} cannot be used: {first_line(error)}") from error


def _text(configuration: Configuration) -> str:
    return canonical_bytes(configuration.to_json()).decode()


def _content(measurements: Sequence[Measurement]) -> str:
    return json.dumps([item.to_json() for item in measurements])


def _digest(space: Space) -> str:
    return digest_of([item.to_json() for item in space.configurations()])
