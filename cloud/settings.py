"""Settings of the backend and of ingest: from TOML, then from the environment, validated once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from cloud.retention import Retention
from cloud.watching.logs import LogFormat, LogLevel
from protocol.configuration import choose
from protocol.content_encoding import MAX_BODY_BYTES
from protocol.errors import InvalidInput
from protocol.mqtt.address import BrokerAddress
from protocol.settings import PREFIX, load
from protocol.signing import check_public_key
from protocol.tokens import check_token

SETTINGS_FILE = f"{PREFIX}SETTINGS_FILE"
_DATABASE_FILE = "dynasplit.sqlite"


class MeterKind(StrEnum):
    """By what the energy of a request is told."""

    PROFILE = "profile"
    RAPL = "rapl"
    NVML = "nvml"
    AUTO = "auto"


class AccountKeeper(StrEnum):
    """Who makes the devices' accounts at the broker."""

    NONE = "none"
    DYNAMIC_SECURITY = "dynamic-security"


@dataclass(frozen=True)
class BackendSettings:
    """Settings of the backend.

    `data_dir` holds bundles, weight caches and, without `database_url`, the SQLite store. `node_busy_watts` is what the
    node that runs the tails draws while it works, `node_idle_watts` what it draws at rest (None: unknown, then the
    account `edge_active` is refused). Without `broker_url` tables cannot be published. `threads` are those of one tail.
    At most `max_waiting` requests wait for a tail in one process, and a token has at most `max_in_flight` of them under way there.

    What a device is told when it enrols: `device_broker_url` (without user and password), `device_ca` (a PEM file with the
    authority that signed backend's and broker's certificates) and `operator_public_key`. `broker_accounts`: who makes the
    devices' accounts at the broker, `none` (the operator) or `dynamic-security` (the backend, in Mosquitto's plugin).

    `requests_per_minute`: what one token may ask of `/api/v1`, 0 for no limit. `trusted_proxies`: how many stand in front and add
    to X-Forwarded-For. `keep_audit_days`: how long the audit goes back.
    """

    data_dir: Path
    operator_token: str = field(repr=False)
    node_busy_watts: float
    node_idle_watts: float | None = None
    node_name: str = "node"
    database_url: str = field(default="", repr=False)
    broker_url: str = field(default="", repr=False)
    threads: int = 1
    open_bundles: int = 4
    max_waiting: int = 16
    max_in_flight: int = 16
    max_body_bytes: int = MAX_BODY_BYTES
    max_artifact_bytes: int = 4 * 1024**3
    device_broker_url: str = ""
    device_ca: Path | None = None
    operator_public_key: str = ""
    broker_accounts: str = AccountKeeper.NONE.value
    log_format: str = LogFormat.TEXT.value
    log_level: str = LogLevel.INFO.value
    requests_per_minute: int = 6000
    trusted_proxies: int = 0
    keep_audit_days: int = 400
    metrics_open: bool = False
    node_meter: str = MeterKind.PROFILE.value
    strict_readiness: bool = False

    def __post_init__(self) -> None:
        # Once for all: Flask, for one, takes a relative path to start at the app's package.
        object.__setattr__(self, "data_dir", self.data_dir.absolute())
        check_token(self.operator_token, what="setting 'operator_token'")
        self._check_watts()
        for least, names in _LEAST.items():
            for name in names:
                if getattr(self, name) < least:
                    raise InvalidInput(f"setting '{name}' must be {least} or more, not {getattr(self, name)}")
        if self.broker_url:
            BrokerAddress.parse(self.broker_url)
        choose(MeterKind, self.node_meter, what="setting 'node_meter'")
        _check_logs(self.log_format, self.log_level)
        self._check_enrolment()

    def _check_watts(self) -> None:
        if not 0 < self.node_busy_watts < math.inf:
            raise InvalidInput(f"setting 'node_busy_watts' must be above 0 and finite, not {self.node_busy_watts}")
        if self.node_idle_watts is not None and not 0 <= self.node_idle_watts <= self.node_busy_watts:
            raise InvalidInput(
                f"setting 'node_idle_watts' must lie between 0 and node_busy_watts ({self.node_busy_watts}), "
                f"not {self.node_idle_watts}"
            )

    def _check_enrolment(self) -> None:
        keeper = choose(AccountKeeper, self.broker_accounts, what="setting 'broker_accounts'")
        if keeper is not AccountKeeper.NONE and not self.broker_url:
            raise InvalidInput(f"setting 'broker_accounts' is {keeper.value}, but 'broker_url' is missing")
        if self.device_broker_url and BrokerAddress.parse(self.device_broker_url).username:
            raise InvalidInput("setting 'device_broker_url' holds a user: each device gets its own; leave it out")
        if self.device_ca and not self.device_ca.is_file():
            raise InvalidInput(f"setting 'device_ca': {self.device_ca} is no file")
        if self.operator_public_key:
            check_public_key(self.operator_public_key, what="setting 'operator_public_key'")


_LEAST = {
    0: ("max_waiting", "requests_per_minute", "trusted_proxies"),
    1: ("threads", "open_bundles", "max_in_flight", "max_body_bytes", "max_artifact_bytes", "keep_audit_days"),
}


class Sharing(StrEnum):
    """Whether several ingest processes divide the telemetry among them."""

    AUTO = "auto"
    """Where the broker offers it."""
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class IngestSettings(Retention):
    """Settings of ingest, and how long it keeps what. `data_dir` holds the SQLite store where there is no `database_url`.

    `share`: one of `Sharing`.
    """

    broker_url: str = field(repr=False)
    data_dir: Path | None = None
    log_format: str = LogFormat.TEXT.value
    log_level: str = LogLevel.INFO.value
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    share: str = Sharing.AUTO.value
    database_url: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        BrokerAddress.parse(self.broker_url)
        _check_logs(self.log_format, self.log_level)
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", self.data_dir.absolute())
        if self.data_dir is None and not self.database_url:
            raise InvalidInput(
                f"setting 'data_dir' is missing: set {PREFIX}DATA_DIR to the backend's, or {PREFIX}DATABASE_URL"
            )
        if not 0 <= self.metrics_port < 65536:
            raise InvalidInput(f"setting 'metrics_port' must be 0 to 65535, not {self.metrics_port}")
        choose(Sharing, self.share, what="setting 'share'")


def _check_logs(log_format: str, level: str) -> None:
    choose(LogFormat, log_format, what="setting 'log_format'")
    choose(LogLevel, level, what="setting 'log_level'")


_LEAST_TOKEN = 16


def load_backend(environment: Mapping[str, str]) -> BackendSettings:
    """The backend's settings; InvalidInput that names the setting."""
    settings = load(BackendSettings, toml=_file(environment), environment=_with_database(environment))
    if len(settings.operator_token) < _LEAST_TOKEN:
        raise InvalidInput(
            f"setting 'operator_token' has {len(settings.operator_token)} characters, which can be guessed; "
            f"{_LEAST_TOKEN} or more are asked for: make one with openssl rand -hex 32"
        )
    return replace(settings, database_url=settings.database_url or sqlite_url(settings.data_dir))


def load_ingest(environment: Mapping[str, str]) -> IngestSettings:
    """The settings of ingest; InvalidInput that names the setting."""
    settings = load(IngestSettings, toml=_file(environment), environment=_with_database(environment))
    if settings.data_dir and not settings.database_url:
        return replace(settings, database_url=sqlite_url(settings.data_dir))
    return settings


def load_database_url(environment: Mapping[str, str]) -> str:
    """The store's address alone, from the environment, for what needs nothing else; InvalidInput where there is none."""
    known = _with_database(environment)
    if url := known.get(f"{PREFIX}DATABASE_URL"):
        return url
    if folder := known.get(f"{PREFIX}DATA_DIR"):
        return sqlite_url(Path(folder))
    raise InvalidInput(f"there is no database: set {PREFIX}DATABASE_URL, or {PREFIX}DATA_DIR for SQLite")


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
