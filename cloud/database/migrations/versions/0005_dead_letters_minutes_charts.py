"""Dead letters in place of rejected records, samples by the minute, columns for charts, when a presence was told.

Going back is refused while there are samples by the minute: what they were put together of is gone already.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from protocol.errors import Conflict

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NAME = sa.String(64)
_DIGEST = sa.String(64)
_KINDS = sa.String(40)
_PAGE = 1000
_MOST_PAYLOAD = 10_000

_inferences = sa.table(
    "inferences",
    *(sa.column(name) for name in ("device", "boot", "sequence", "edge_mj", "edge_provenance")),
    *(sa.column(name) for name in ("cloud_mj", "cloud_provenance")),
    sa.column("body", sa.JSON),
)
_rejected = sa.table(
    "rejected",
    *(sa.column(name) for name in ("device", "boot", "sequence", "received_at", "reason")),
    sa.column("body", sa.JSON),
)
_dead_letters = sa.table(
    "dead_letters",
    *(
        sa.column(name)
        for name in ("digest", "received_at", "topic", "device", "boot", "sequence", "payload", "reason")
    ),
)


def upgrade() -> None:
    _dead_letters_table()
    _letters_of_rejected()
    op.drop_table("rejected")
    _sample_minutes_table()
    op.add_column("presence", sa.Column("availability_at", sa.Double))
    for account in ("edge", "cloud"):
        op.add_column("inferences", sa.Column(f"{account}_mj", sa.Double))
        op.add_column("inferences", sa.Column(f"{account}_provenance", _KINDS, nullable=False, server_default=""))
    _energies_of_bodies()
    op.drop_index("ix_inferences_run", "inferences")
    some = sa.text("run <> ''")
    op.create_index("ix_inferences_run", "inferences", ["run", "received_at"], sqlite_where=some, postgresql_where=some)
    op.create_index("ix_inferences_device", "inferences", ["device", "received_at"])
    op.create_index("ix_inferences_network", "inferences", ["network", "received_at"])


def downgrade() -> None:
    _check_no_minutes()
    for name in ("ix_inferences_network", "ix_inferences_device", "ix_inferences_run"):
        op.drop_index(name, "inferences")
    op.create_index("ix_inferences_run", "inferences", ["run"])
    for account in ("cloud", "edge"):
        op.drop_column("inferences", f"{account}_provenance")
        op.drop_column("inferences", f"{account}_mj")
    op.drop_column("presence", "availability_at")
    op.drop_table("sample_minutes")
    _rejected_table()
    _rejected_of_letters()
    op.drop_table("dead_letters")


def _check_no_minutes() -> None:
    minutes = sa.table("sample_minutes")
    if count := op.get_bind().scalar(sa.select(sa.func.count()).select_from(minutes)):
        raise Conflict(
            f"schema 0004 has no room for the {count} samples by the minute in sample_minutes, whose samples are gone: "
            "back the database up, export them (GET /api/v1/devices/<device>/sample-minutes), and delete them first"
        )


def _dead_letters_table() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("digest", _DIGEST, primary_key=True),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("device", _NAME, nullable=False),
        sa.Column("boot", _NAME, nullable=False),
        sa.Column("sequence", sa.BigInteger),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("ix_dead_letters_received_at", "dead_letters", ["received_at", "digest"])


def _rejected_table() -> None:
    op.create_table(
        "rejected",
        sa.Column("device", _NAME, primary_key=True),
        sa.Column("boot", _NAME, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def _sample_minutes_table() -> None:
    op.create_table(
        "sample_minutes",
        sa.Column("device", _NAME, primary_key=True),
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("provenance", sa.String(16), primary_key=True),
        sa.Column("clock_synced", sa.Boolean, primary_key=True, autoincrement=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("sources", sa.JSON, nullable=False),
    )


def _letters_of_rejected() -> None:
    for rows in _pages(_rejected):
        op.bulk_insert(_dead_letters, [_letter(row) for row in rows])


def _letter(row: sa.Row[Any]) -> dict[str, Any]:
    """As ingest makes one of a record that cannot be read."""
    identity = f"{row.device}\n{row.boot}\n{row.sequence}"
    return {
        "digest": hashlib.sha256(identity.encode()).hexdigest(),
        "received_at": row.received_at,
        "topic": f"dynasplit/v1/{row.device}/telemetry",
        "device": row.device,
        "boot": row.boot,
        "sequence": row.sequence,
        "payload": json.dumps(row.body)[:_MOST_PAYLOAD],
        "reason": row.reason,
    }


def _rejected_of_letters() -> None:
    """Messages that were no batch had no place in the older schema."""
    letters = _dead_letters.c
    names = ("device", "boot", "sequence", "received_at", "payload", "reason")
    query = sa.select(*(letters[name] for name in names), letters.digest).where(letters.sequence.is_not(None))
    last = ""
    while rows := op.get_bind().execute(query.where(letters.digest > last).order_by(letters.digest).limit(_PAGE)).all():
        kept = [{name: getattr(row, name) for name in names if name != "payload"} for row in rows]
        bodies = [{"body": {"text": row.payload}} for row in rows]
        op.bulk_insert(_rejected, [each | body for each, body in zip(kept, bodies, strict=True)])
        last = rows[-1].digest


def _energies_of_bodies() -> None:
    names = ("device", "boot", "sequence")
    mine = [_inferences.c[name] == sa.bindparam(f"its_{name}") for name in names]
    figures: dict[str, Any] = {
        name: sa.bindparam(name) for name in ("edge_mj", "edge_provenance", "cloud_mj", "cloud_provenance")
    }
    update = sa.update(_inferences).where(*mine).values(**figures)
    for rows in _pages(_inferences):
        identities = [{f"its_{name}": getattr(row, name) for name in names} for row in rows]
        energies = [_energies(row.body) for row in rows]
        op.get_bind().execute(update, [each | found for each, found in zip(identities, energies, strict=True)])


def _energies(body: Mapping[str, Any]) -> dict[str, Any]:
    cost = body.get("cost")
    if not cost:
        return {"edge_mj": None, "edge_provenance": "", "cloud_mj": None, "cloud_provenance": ""}
    kinds = cost.get("provenance", {})
    return {
        "edge_mj": cost["head_mj"] + cost["wait_mj"],
        "edge_provenance": "+".join(sorted({kinds[name] for name in ("head_mj", "wait_mj") if name in kinds})),
        "cloud_mj": cost["cloud_node_mj"],
        "cloud_provenance": kinds.get("cloud_node_mj", ""),
    }


def _pages(table: sa.TableClause) -> Iterator[list[sa.Row[Any]]]:
    """All rows of records, in the order of their identity."""
    identity = [table.c[name] for name in ("device", "boot", "sequence")]
    query = sa.select(table).order_by(*identity).limit(_PAGE)
    page, bind = query, op.get_bind()
    while rows := bind.execute(page).all():
        yield list(rows)
        last = rows[-1]
        page = query.where(sa.tuple_(*identity) > sa.tuple_(last.device, last.boot, last.sequence))
