"""Which bundles there are in a database."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.bundles.port import StoredBundle, bundle_unknown


class SqlBundles(SqlAccess):
    """A `BundleStore` in a database. Every method is one transaction."""

    def add_bundle(self, digest: str, *, network: str) -> StoredBundle:
        columns = schema.bundles.c
        following = sa.select(
            sa.literal(digest), sa.literal(network), sa.func.coalesce(sa.func.max(columns.version), 0) + 1, sa.true()
        ).where(columns.network == network)
        insert = self._insert(schema.bundles).from_select(["digest", "network", "version", "loaded"], following)
        # Two processes may compute the same version for two bundles: then one of them finds its row missing and goes again.
        while not (rows := self._all(sa.select(schema.bundles).where(columns.digest == digest))):
            self._change(insert.on_conflict_do_nothing())
        return StoredBundle(**rows[0]._mapping)

    def bundles(self) -> list[StoredBundle]:
        columns = schema.bundles.c
        rows = self._all(sa.select(schema.bundles).order_by(columns.network, columns.version))
        return [StoredBundle(**row._mapping) for row in rows]

    def set_loaded(self, digests: Sequence[str], *, loaded: bool) -> None:
        columns = schema.bundles.c
        self._change(sa.update(schema.bundles).where(columns.digest.in_(digests)).values(loaded=loaded))

    def remove_bundle(self, digest: str) -> None:
        if not self._change(sa.delete(schema.bundles).where(schema.bundles.c.digest == digest)):
            raise bundle_unknown(digest)
