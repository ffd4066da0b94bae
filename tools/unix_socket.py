"""HTTP over a unix socket, for urllib3, which by itself knows hosts only."""

from __future__ import annotations

import socket

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

UNIX = "unix:"
"""How an address of a socket begins; its path follows."""


class UnixPool(urllib3.HTTPConnectionPool):
    """Connections to one socket; `request` takes paths."""

    def __init__(self, path: str, *, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s, retries=False)
        self._path = path

    def _new_conn(self) -> _UnixConnection:
        self.num_connections += 1
        return _UnixConnection(self._path)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def _new_conn(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.settimeout(None if self.timeout is None else float(self.timeout))
            opened.connect(self._path)
        except OSError as error:
            opened.close()
            raise NewConnectionError(self, str(error.strerror or error)) from error
        return opened
