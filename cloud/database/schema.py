"""The tables of the database. What changes here needs a migration beside it."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

_NAME = sa.String(64)
_DIGEST = sa.String(64)
_TAG = sa.String(200)
_KINDS = sa.String(40)


def _identity() -> list[sa.Column[object]]:
    """The columns that all records share: who sent it, when it came in, and its body as it was sent."""
    return [
        sa.Column("device", _NAME, primary_key=True),
        sa.Column("boot", _NAME, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
    ]


devices = sa.Table(
    "devices",
    metadata,
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("token_sha256", _DIGEST, nullable=False, unique=True),
)

device_labels = sa.Table(
    "device_labels",
    metadata,
    sa.Column("device", _NAME, primary_key=True),
    sa.Column("key", _NAME, primary_key=True),
    sa.Column("value", _NAME, nullable=False),
    sa.Index("ix_device_labels_value", "key", "value"),
)

presence = sa.Table(
    "presence",
    metadata,
    sa.Column("device", _NAME, primary_key=True),
    sa.Column("last_seen", sa.Double),
    sa.Column("availability", sa.String(16), nullable=False),
    sa.Column("availability_at", sa.Double),
)

bundles = sa.Table(
    "bundles",
    metadata,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("network", _NAME, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("loaded", sa.Boolean, nullable=False),
    sa.UniqueConstraint("network", "version", name="uq_bundles_network_version"),
)

drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("network", _NAME, nullable=False),
    sa.Column("device", _NAME, nullable=False),
    sa.Column("bundle", _DIGEST, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("content_digest", _DIGEST, nullable=False),
    sa.Column("added_at", sa.Double, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Index("ix_drafts_added_at", "added_at", "digest"),
)

signed_tables = sa.Table(
    "signed_tables",
    metadata,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("device", _NAME, nullable=False),
    sa.Column("network", _NAME, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("content_digest", _DIGEST, nullable=False),
    sa.Column("bundle", _DIGEST, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("desired", sa.Boolean, nullable=False),
    sa.Column("set_at", sa.Double),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Index("ix_signed_tables_device", "device", "network", "version"),
    sa.Index("ix_signed_tables_content", "content_digest"),
)

desired = sa.Table(
    "desired",
    metadata,
    sa.Column("device", _NAME, primary_key=True),
    sa.Column("network", _NAME, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("digest", _DIGEST, nullable=False),
    sa.Column("published", sa.Boolean, nullable=False),
    sa.Index("ix_desired_network", "network"),
)

# Nearly all are published: what is left is looked for each second.
sa.Index(
    "ix_desired_unpublished",
    desired.c.device,
    desired.c.network,
    sqlite_where=sa.not_(desired.c.published),
    postgresql_where=sa.not_(desired.c.published),
)

reported = sa.Table(
    "reported",
    metadata,
    sa.Column("device", _NAME, primary_key=True),
    sa.Column("network", _NAME, primary_key=True),
    sa.Column("received_at", sa.Double, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Index("ix_reported_network", "network"),
)

inferences = sa.Table(
    "inferences",
    metadata,
    *_identity(),
    sa.Column("network", _NAME, nullable=False),
    sa.Column("run", _TAG, nullable=False),
    sa.Column("strategy", _NAME, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("violation", sa.Boolean, nullable=False),
    sa.Column("cut", sa.Integer),
    sa.Column("edge_mj", sa.Double),
    sa.Column("edge_provenance", _KINDS, nullable=False, server_default=""),
    sa.Column("cloud_mj", sa.Double),
    sa.Column("cloud_provenance", _KINDS, nullable=False, server_default=""),
    # With what charts sum up: a day of a device is then read from one place, not from thousands.
    sa.Index(
        "ix_inferences_device",
        *("device", "received_at", "violation", "edge_provenance", "edge_mj", "cloud_provenance", "cloud_mj"),
    ),
    sa.Index("ix_inferences_network", "network", "received_at"),
    sa.Index("ix_inferences_received_at", "received_at"),
)

# Nearly all inferences are of no run: they cost this index nothing. A query must say so as well, or it is not used.
sa.Index(
    "ix_inferences_run",
    inferences.c.run,
    inferences.c.received_at,
    sqlite_where=inferences.c.run != "",
    postgresql_where=inferences.c.run != "",
)

measurements = sa.Table(
    "measurements",
    metadata,
    *_identity(),
    sa.Column("network", _NAME, nullable=False),
    sa.Column("bundle", _DIGEST, nullable=False),
    sa.Column("run", _TAG, nullable=False),
    sa.Index("ix_measurements_network", "network", "bundle", "received_at"),
    sa.Index("ix_measurements_device", "device", "received_at"),
    sa.Index("ix_measurements_received_at", "received_at"),
)

sa.Index(
    "ix_measurements_run",
    measurements.c.run,
    measurements.c.received_at,
    sqlite_where=measurements.c.run != "",
    postgresql_where=measurements.c.run != "",
)

samples = sa.Table(
    "samples",
    metadata,
    *_identity(),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("mean_w", sa.Double),
    sa.Index("ix_samples_received_at", "device", "received_at"),
    sa.Index("ix_samples_age", "received_at"),
)

sample_minutes = sa.Table(
    "sample_minutes",
    metadata,
    sa.Column("device", _NAME, primary_key=True),
    sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("provenance", sa.String(16), primary_key=True),
    sa.Column("clock_synced", sa.Boolean, primary_key=True, autoincrement=False),
    sa.Column("figures", sa.JSON, nullable=False),
    sa.Column("sources", sa.JSON, nullable=False),
    sa.Index("ix_sample_minutes_age", "minute"),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("received_at", sa.Double, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("device", _NAME, nullable=False),
    sa.Column("boot", _NAME, nullable=False),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("ix_dead_letters_received_at", "received_at", "digest"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", _NAME, primary_key=True),
    sa.Column("device", _NAME, nullable=False),
    sa.Column("kind", _NAME, nullable=False),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("timeout_s", sa.Double, nullable=False),
    sa.Column("cancel", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("done", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Index("ix_jobs_device", "device", "created_at"),
    sa.Index("ix_jobs_ended_at", "ended_at"),
)

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", _NAME, primary_key=True),
    sa.Column("network", _NAME, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Index("ix_rollouts_created_at", "created_at"),
    sa.Index("ix_rollouts_ended_at", "ended_at"),
)

computations = sa.Table(
    "computations",
    metadata,
    sa.Column("id", _NAME, primary_key=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Index("ix_computations_state", "state"),
    sa.Index("ix_computations_ended_at", "ended_at"),
)

job_lists = sa.Table(
    "job_lists",
    metadata,
    sa.Column("device", _NAME, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("published", sa.BigInteger, nullable=False),
)

sa.Index(
    "ix_job_lists_unpublished",
    job_lists.c.device,
    sqlite_where=job_lists.c.published < job_lists.c.revision,
    postgresql_where=job_lists.c.published < job_lists.c.revision,
)

enrolments = sa.Table(
    "enrolments",
    metadata,
    sa.Column("code_digest", _DIGEST, primary_key=True),
    sa.Column("device", _NAME, nullable=False),
    sa.Column("replace", sa.Boolean, nullable=False),
    sa.Column("sealed_password", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("used_at", sa.Double),
)

tries = sa.Table(
    "tries",
    metadata,
    sa.Column("of", sa.String(16), primary_key=True),
    sa.Column("peer", _NAME, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("sha256", _DIGEST, nullable=False, unique=True),
    sa.Column("scopes", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("last_used_on", sa.String(10), nullable=False),
    sa.Column("revoked_at", sa.Double),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.String(80), nullable=False),
    sa.Column("peer", _NAME, nullable=False),
    sa.Column("what", _TAG, nullable=False),
    sa.Column("on", _TAG, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("request_id", _NAME, nullable=False),
    sa.Index("ix_audit_at", "at"),
)
