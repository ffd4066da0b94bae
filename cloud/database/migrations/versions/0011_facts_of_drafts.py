"""Drafts tell what they are without their content, and since when they are here; those that are count from now on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from protocol.documents import digest_of
from protocol.errors import InvalidInput

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_DIGEST = sa.String(64)
_PAGE = 100

_FACTS: dict[str, sa.types.TypeEngine[Any]] = {
    "bundle": _DIGEST,
    "rows": sa.Integer(),
    "content_digest": _DIGEST,
    "added_at": sa.Double(),
}
_DRAFTS = sa.table(
    "drafts",
    sa.column("digest", sa.String),
    *(sa.column(name) for name in _FACTS),
    sa.column("content", sa.JSON),
)


def upgrade() -> None:
    for name, kind in _FACTS.items():
        op.add_column("drafts", sa.Column(name, kind))
    _tell(at=time.time())
    with op.batch_alter_table("drafts") as drafts:
        for name, kind in _FACTS.items():
            drafts.alter_column(name, existing_type=kind, nullable=False)
    op.create_index("ix_drafts_added_at", "drafts", ["added_at", "digest"])
    op.create_index("ix_signed_tables_content", "signed_tables", ["content_digest"])


def downgrade() -> None:
    op.drop_index("ix_signed_tables_content", "signed_tables")
    op.drop_index("ix_drafts_added_at", "drafts")
    with op.batch_alter_table("drafts") as drafts:
        for name in _FACTS:
            drafts.drop_column(name)


def _tell(*, at: float) -> None:
    columns, last = _DRAFTS.c, ""
    page = sa.select(columns.digest, columns.content).order_by(columns.digest).limit(_PAGE)
    while rows := op.get_bind().execute(page.where(columns.digest > last)).all():
        for row in rows:
            facts = {**_facts(row.content), "content_digest": _content_digest(row.digest, row.content), "added_at": at}
            op.execute(sa.update(_DRAFTS).where(columns.digest == row.digest).values(**facts))
        last = rows[-1].digest


def _facts(table: Mapping[str, Any]) -> dict[str, Any]:
    return {"bundle": table["bundle"], "rows": len(table["rows"])}


def _content_digest(digest: str, table: Mapping[str, Any]) -> str:
    """What nobody could sign is like nothing else."""
    try:
        return digest_of({**table, "device": "", "version": 0})
    except InvalidInput:
        return digest
