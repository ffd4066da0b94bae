"""Charts of what is in a database: summed up there."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.charts.port import Bucket, Grouping
from cloud.store.charts.sums import Part, buckets_of
from cloud.store.records.port import Selection
from cloud.store.records.selecting import conditions


class SqlCharts(SqlAccess):
    """A `ChartStore` in a database."""

    def inference_buckets(self, selection: Selection, *, bucket_s: int, by: Grouping = Grouping.NONE) -> list[Bucket]:
        query = self._bucket_query(selection, bucket_s=bucket_s, by=by)
        return buckets_of(
            Part(
                start=float(row.place * bucket_s),
                name=row.name,
                edge_kinds=row.edge_provenance,
                cloud_kinds=row.cloud_provenance,
                count=row.number,
                violations=int(row.violations),
                edge_mj=row.edge_mj,
                cloud_mj=row.cloud_mj,
            )
            for row in self._all(query)
        )

    def _bucket_query(self, selection: Selection, *, bucket_s: int, by: Grouping) -> sa.Select[Any]:
        columns = schema.inferences.c
        name = sa.literal("") if by is Grouping.NONE else columns[by.value]
        keys = (
            self._bucket(bucket_s).label("place"),
            name.label("name"),
            columns.edge_provenance,
            columns.cloud_provenance,
        )
        query = sa.select(
            *keys,
            sa.func.count().label("number"),
            sa.func.sum(sa.case((columns.violation, 1), else_=0)).label("violations"),
            sa.func.sum(columns.edge_mj).label("edge_mj"),
            sa.func.sum(columns.cloud_mj).label("cloud_mj"),
        ).where(*conditions(schema.inferences, selection))
        return query.group_by("place", "name", columns.edge_provenance, columns.cloud_provenance)

    def _bucket(self, bucket_s: int) -> sa.ColumnElement[int]:
        """Which stretch it is. A cast to an integer rounds in PostgreSQL; SQLite cuts off, and need not have `floor`."""
        place = schema.inferences.c.received_at / sa.literal(float(bucket_s))
        return sa.cast(sa.func.floor(place) if self._database.dialect == "postgresql" else place, sa.BigInteger)
