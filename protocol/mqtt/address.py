"""Where a broker is, and how it is entered."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import InvalidInput


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker listens: `mqtt://[user:password@]host[:1883]`, or `mqtts://…[:8883]` with TLS.

    `ca_file`: a PEM file with the only authorities that are trusted; None: the system's.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None

    @classmethod
    def parse(cls, url: str, *, ca_file: Path | None = None) -> BrokerAddress:
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
            (parts.hostname or "").encode("idna")
        except ValueError as error:
            raise InvalidInput(f"broker URL {_without_password(url)!r}: {error}") from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise InvalidInput(
                f"broker URL {_without_password(url)!r} must look like mqtt://host:1883 or mqtts://host:8883"
            )
        tls = parts.scheme == "mqtts"
        unquote = urllib.parse.unquote
        return cls(
            host=parts.hostname,
            port=port or (8883 if tls else 1883),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            ca_file=ca_file,
        )

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def _without_password(url: str) -> str:
    return url.rpartition("@")[2]
