"""Alembic's environment: runs on the connection that cloud.database hands over."""

from __future__ import annotations

from alembic import context

from cloud.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
