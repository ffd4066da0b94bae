"""Inferences by the million, made by the database itself: their columns differ as real ones do, their bodies are as long."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from protocol.errors import InvalidInput

DEVICES = 100
DAYS = 30
DAY_S = 86_400
END = 1_760_000_000
"""When the latest of them came in, in seconds since the epoch."""

_STEP = 250_000
_BYTES_PER_ROW = 1_500
"""On disk, with indexes and room for the log that is written before."""


@dataclass(frozen=True)
class Rows:
    """So many inferences of `DEVICES` devices over `DAYS` days, one after the other at even times."""

    count: int

    @property
    def per_device_and_day(self) -> float:
        return self.count / DEVICES / DAYS

    def check_room(self, folder: Path) -> None:
        """InvalidInput when the disk is too full for them."""
        needed, free = self.count * _BYTES_PER_ROW, shutil.disk_usage(folder).free
        if free < needed:
            raise InvalidInput(
                f"{self.count} rows need about {needed / 1e9:.0f} GB in {folder}, and {free / 1e9:.0f} GB are free: "
                "take fewer with --rows"
            )

    def insert(self, url: str) -> None:
        """Into the empty table of a database whose schema stands, a transaction for each step.

        At last the database looks at what it holds, as PostgreSQL does by itself over time.
        """
        engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
        try:
            self._insert(engine)
        finally:
            engine.dispose()

    def _insert(self, engine: sa.Engine) -> None:
        for first in range(0, self.count, _STEP):
            last = min(first + _STEP, self.count) - 1
            with engine.begin() as connection:
                connection.execute(sa.text(self._statement(engine.dialect.name, first, last)))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE")

    def _statement(self, dialect: str, first: int, last: int) -> str:
        below = f"(VALUES ({first}) UNION ALL SELECT n + 1 FROM s WHERE n < {last})"  # noqa: S608 - no word of it comes from outside
        numbers = {
            "postgresql": f"generate_series({first}, {last}) AS s(n)",
            "sqlite": f"(WITH RECURSIVE s(n) AS {below} SELECT n FROM s) AS s",  # noqa: S608
        }[dialect]
        at = f"{END - DAYS * DAY_S} + n * {DAYS * DAY_S / self.count!r}"
        values = {
            "device": f"'pi-' || (n % {DEVICES})",
            "boot": f"'123e4567-e89b-12d3-a456-4266141740' || (n % {DEVICES})",
            "sequence": f"n / {DEVICES}",
            "received_at": at,
            "body": _body(dialect),
            "network": "'network-' || (n % 7)",
            "run": "CASE WHEN n % 1000 = 0 THEN 'evening' ELSE '' END",
            "strategy": "'dynasplit'",
            "at": at,
            "violation": "n % 50 = 0",
            "cut": "n % 20",
            "edge_mj": "15.0 + n % 10",
            "edge_provenance": "CASE WHEN n % 3 = 0 THEN 'measured' ELSE 'estimated' END",
            "cloud_mj": "60.0",
            "cloud_provenance": "'estimated'",
        }
        return f"INSERT INTO inferences ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {numbers}"  # noqa: S608 - no word of it comes from outside


def _body(dialect: str) -> str:
    """About 600 bytes, of which one number differs."""
    whole = json.dumps(
        {
            "schema": 1,
            "predicted_ms": 11.31,
            "network": "digits",
            "bundle": "3f0c9d" * 8,
            "strategy": "dynasplit",
            "account": "edge_node",
            "configuration": {"cut": 10, "cpu_khz": 1800000, "codec": "int8", "threads": 4},
            "cost": {
                "head_ms": 4.512,
                "transfer_ms": 2.127,
                "cloud_ms": 1.508,
                "latency_ms": 8.147,
                "up_bytes": 3136,
                "down_bytes": 212,
                "head_mj": 12.412,
                "wait_mj": 3.871,
                "cloud_node_mj": 60.32,
                "cloud_active_mj": None,
                "provenance": {"head_mj": "measured", "wait_mj": "measured", "cloud_node_mj": "estimated"},
            },
            "deadline_ms": 50.0,
            "violation": False,
            "table_digest": "a81b22" * 8,
            "clock_synced": True,
        }
    )
    text = f"'{whole[:-1]}, \"at\": ' || n || '}}'"
    return f"({text})::json" if dialect == "postgresql" else text
