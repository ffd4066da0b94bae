"""The folder of certificates, laid out as the stack and enrolment read it.

`ca.pem` is for everybody, `ca.key` for this folder alone; `backend.pem` and `backend.key` are the backend's, `broker.pem` and
`broker.key` the broker's.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import InvalidInput
from tools.certificates.authority import Authority, Issued, ends_at, hosts_of, signed_by
from tools.output import write_bytes

SERVERS = ("backend", "broker")
_AUTHORITY = "ca"
_ALWAYS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Server:
    """A server's certificate in the folder. `made`: now; False: it was there and is left as it is."""

    name: str
    hosts: tuple[str, ...]
    ends_at: datetime.datetime
    made: bool


class CertificateFolder:
    """Makes what is missing. The authority's key is never written over."""

    def __init__(self, folder: Path, *, now: datetime.datetime) -> None:
        self._folder = folder
        self._now = now

    def authority(self) -> tuple[Authority, bool]:
        """The authority, and whether it was made now. InvalidInput when half of it is missing."""
        certificate, key = self._folder / f"{_AUTHORITY}.pem", self._folder / f"{_AUTHORITY}.key"
        if key.exists() and certificate.exists():
            return Authority.from_pem(_read(certificate), _read(key)), False
        if key.exists() or certificate.exists():
            there, missing = (key, certificate) if key.exists() else (certificate, key)
            raise InvalidInput(
                f"{missing} is missing, but {there} is there: bring it back, or name a new folder for a new authority"
            )
        made = Authority.new(f"DynaSplit {os.urandom(4).hex()}", now=self._now)
        pair = made.to_pem()
        _write_new(key, pair.key)
        write_bytes(certificate, pair.certificate)
        return made, True

    def server(self, name: str, hosts: Sequence[str], *, authority: Authority, days: int, renew: bool) -> Server:
        """The server's certificate for these hosts, this machine and the server's name within the stack.

        One that is there is left as it is, unless it shall be renewed: then for its old hosts as well.
        """
        path = self._folder / f"{name}.pem"
        if path.exists() and not renew:
            return _described(name, self._ours(path, authority), made=False)
        known = hosts_of(_read(path)) if path.exists() else []
        wanted = tuple(dict.fromkeys([*hosts, *known, name, *_ALWAYS]))
        issued = authority.server(name, wanted, days=days, now=self._now)
        self._write(name, issued)
        return _described(name, issued.certificate, made=True)

    def _ours(self, path: Path, authority: Authority) -> bytes:
        content = _read(path)
        if not signed_by(content, authority):
            raise InvalidInput(f"{path} was not signed by this folder's authority: --renew makes it anew")
        return content

    def _write(self, name: str, issued: Issued) -> None:
        write_bytes(self._folder / f"{name}.key", issued.key, mode=0o600)
        write_bytes(self._folder / f"{name}.pem", issued.certificate)


def _described(name: str, certificate: bytes, *, made: bool) -> Server:
    return Server(name, tuple(hosts_of(certificate)), ends_at(certificate), made)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def _write_new(path: Path, content: bytes) -> None:
    """For this user alone, whole or not at all, and never over a file that is there."""
    beside = path.with_name(f".{path.name}.new")
    try:
        write_bytes(beside, content, mode=0o600)
        os.link(beside, path)  # unlike a rename, never over a file that is there
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
