"""The store in a database: SQLite or PostgreSQL, through SQLAlchemy Core."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.database import schema
from cloud.store.audit.sql import SqlAudit
from cloud.store.bundles.sql import SqlBundles
from cloud.store.charts.sql import SqlCharts
from cloud.store.computations.sql import SqlComputations
from cloud.store.devices.sql import SqlDevices
from cloud.store.drafts.sql import SqlDrafts
from cloud.store.enrolments.sql import SqlEnrolments
from cloud.store.jobs.sql import SqlJobs
from cloud.store.records.sql import SqlRecords
from cloud.store.rollouts.sql import SqlRollouts
from cloud.store.tables.sql import SqlTables
from cloud.store.tokens.sql import SqlTokens
from cloud.store.tries.sql import SqlTries
from cloud.store.upkeep.sql import SqlUpkeep


class SqlStore(
    SqlDevices,
    SqlBundles,
    SqlDrafts,
    SqlTables,
    SqlRollouts,
    SqlComputations,
    SqlRecords,
    SqlCharts,
    SqlUpkeep,
    SqlJobs,
    SqlEnrolments,
    SqlTokens,
    SqlTries,
    SqlAudit,
):
    """A `Store` in a database."""

    def ready(self) -> None:
        self._database.check_schema()
        with self._database.reading() as connection:
            connection.execute(sa.select(schema.devices.c.name).limit(1))
