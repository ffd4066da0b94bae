"""Settings of the backend and of ingest: from TOML, then from the environment, validated once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from protocol.content_encoding import MAX_BODY_BYTES
from protocol.errors import InvalidInput
from protocol.mqtt import BrokerAddress
from protocol.settings import PREFIX, load

SETTINGS_FILE = f"{PREFIX}SETTINGS_FILE"
_DATABASE_FILE = "dynasplit.sqlite"


@dataclass(frozen=True)
class BackendSettings:
    """Settings of the backend.

    `data_dir` holds bundles, weight caches and, without `database_url`, the SQLite store. `node_busy_watts` is what the
    node that runs the tails draws while it works, `node_idle_watts` what it draws at rest (None: unknown, then the
    account `edge_active` is refused). Without `broker_url` tables cannot be published. `threads` are those of one tail.
    """

    data_dir: Path
    operator_token: str
    node_busy_watts: float
    node_idle_watts: float | None = None
    node_name: str = "node"
    database_url: str = ""
    broker_url: str = ""
    threads: int = 1
    open_bundles: int = 4
    max_body_bytes: int = MAX_BODY_BYTES
    max_artifact_bytes: int = 4 * 1024**3

    def __post_init__(self) -> None:
        # Once for all: Flask, for one, takes a relative path to start at the app's package.
        object.__setattr__(self, "data_dir", self.data_dir.absolute())
        if not self.operator_token.strip():
            raise InvalidInput("setting 'operator_token' is empty; make one with: openssl rand -hex 32")
        if not 0 < self.node_busy_watts < math.inf:
            raise InvalidInput(f"setting 'node_busy_watts' must be above 0 and finite, not {self.node_busy_watts}")
        if self.node_idle_watts is not None and not 0 <= self.node_idle_watts <= self.node_busy_watts:
            raise InvalidInput(
                f"setting 'node_idle_watts' must lie between 0 and node_busy_watts ({self.node_busy_watts}), "
                f"not {self.node_idle_watts}"
            )
        for name in ("threads", "open_bundles", "max_body_bytes", "max_artifact_bytes"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"setting '{name}' must be 1 or more, not {getattr(self, name)}")
        if self.broker_url:
            BrokerAddress.parse(self.broker_url)


@dataclass(frozen=True)
class IngestSettings:
    """Settings of ingest. `data_dir` holds the SQLite store where there is no `database_url`."""

    broker_url: str
    data_dir: Path | None = None
    database_url: str = ""

    def __post_init__(self) -> None:
        BrokerAddress.parse(self.broker_url)
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", self.data_dir.absolute())
        if self.data_dir is None and not self.database_url:
            raise InvalidInput(
                f"setting 'data_dir' is missing: set {PREFIX}DATA_DIR to the backend's, or {PREFIX}DATABASE_URL"
            )


def load_backend(environment: Mapping[str, str]) -> BackendSettings:
    """The backend's settings; InvalidInput that names the setting."""
    settings = load(BackendSettings, toml=_file(environment), environment=_with_database(environment))
    return replace(settings, database_url=settings.database_url or sqlite_url(settings.data_dir))


def load_ingest(environment: Mapping[str, str]) -> IngestSettings:
    """The settings of ingest; InvalidInput that names the setting."""
    settings = load(IngestSettings, toml=_file(environment), environment=_with_database(environment))
    if settings.data_dir and not settings.database_url:
        return replace(settings, database_url=sqlite_url(settings.data_dir))
    return settings


def sqlite_url(data_dir: Path) -> str:
    """The store in `data_dir`."""
    return f"sqlite:///{data_dir.absolute() / _DATABASE_FILE}"


def _file(environment: Mapping[str, str]) -> Path | None:
    path = environment.get(SETTINGS_FILE)
    return Path(path) if path else None


def _with_database(environment: Mapping[str, str]) -> Mapping[str, str]:
    """`DATABASE_URL`, which hosting platforms set, stands in for DYNASPLIT_DATABASE_URL."""
    url = environment.get("DATABASE_URL")
    return {f"{PREFIX}DATABASE_URL": url, **environment} if url else environment
