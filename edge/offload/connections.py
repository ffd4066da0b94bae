"""Connections to one server: kept open, each used by one request at a time, all opened and used within a deadline."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from edge.offload.names import Address, Names
from hardware.clock import Clock
from protocol.errors import InvalidInput


class Unreachable(OSError):
    """No connection came about; nothing of the request has left."""


class Connection(http.client.HTTPConnection):
    """One connection of HTTP/1.1 that was opened already."""

    def __init__(self, host: str, port: int, opened: socket.socket) -> None:
        super().__init__(host, port)
        self.auto_open = 0
        self.sock = opened
        self.used = False
        """Whether it carried a request before: then the server may have closed it meanwhile."""

    @property
    def over(self) -> bool:
        """Whether the server has closed it, or says something though nobody asked."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))


class Connections:
    """Open connections to a server, the latest used first. Thread-safe.

    `ca` names a file of PEM certificates that alone are trusted for `https` (None: what the system trusts).
    """

    def __init__(self, base_url: str, *, clock: Clock, ca: Path | None = None, names: Names | None = None) -> None:
        parts = urllib.parse.urlsplit(base_url)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self._clock = clock
        self._names = names or Names(self.host, self.port)
        self._tls = tls_context(ca) if parts.scheme == "https" else None
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._opening: set[socket.socket] = set()
        self._closed = False
        self._answered: Address | None = None

    @contextlib.contextmanager
    def one(self, end_s: float) -> Iterator[Connection]:
        """A connection for one request. It is kept where the block ends well, and closed where it does not.

        Raises Unreachable where none comes about, TimeoutError where none does until `end_s` of the clock.
        """
        connection = self._kept() or Connection(self.host, self.port, self._opened(end_s))
        try:
            yield connection
        except BaseException:
            connection.close()
            if connection.used:  # a server that closed one has closed the others too
                self._drop_idle()
            raise
        connection.used = True
        with self._lock:
            if connection.sock is not None and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _kept(self) -> Connection | None:
        """An open one that the server has not closed, as far as is known here."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not connection.over:
                return connection
            connection.close()

    def close(self) -> None:
        """Opens no more, and gives up those that are being opened. Those in use are their users' to end."""
        with self._lock:
            self._closed = True
            for opening in self._opening:
                with contextlib.suppress(OSError):
                    opening.shutdown(socket.SHUT_RDWR)
        self._drop_idle()

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _opened(self, end_s: float) -> socket.socket:
        try:
            plain = self._connected(end_s)
        except TimeoutError:
            raise
        except OSError as error:
            raise Unreachable(error.strerror or str(error)) from error
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain if self._tls is None else self._secured(plain, self._tls)

    def _connected(self, end_s: float) -> socket.socket:
        """To the first of the host's addresses where somebody listens.

        One that swallows what is sent to it must not cost the others their turn, as the IPv6 address of many a home network
        does: the time left is shared, and the one that answered last is asked first.
        """
        failure = OSError("the name has no address")
        addresses = sorted(self._names.addresses(self._left_s(end_s)), key=lambda each: each != self._answered)
        for place, (family, address) in enumerate(addresses):
            opened = socket.socket(family, socket.SOCK_STREAM)
            try:
                opened.settimeout(self._left_s(end_s) / (len(addresses) - place))
                with self._until_closed(opened):
                    opened.connect(address)
            except OSError as error:
                opened.close()
                failure = error
            else:
                self._answered = (family, address)
                opened.settimeout(self._left_s(end_s))
                return opened
        raise failure

    @contextlib.contextmanager
    def _until_closed(self, opening: socket.socket) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise OSError("no connection is made any more")
            self._opening.add(opening)
        try:
            yield
        finally:
            with self._lock:
                self._opening.discard(opening)

    def _secured(self, plain: socket.socket, tls: ssl.SSLContext) -> socket.socket:
        try:
            return tls.wrap_socket(plain, server_hostname=self.host)
        except TimeoutError:
            plain.close()
            raise
        except OSError as error:
            plain.close()
            raise Unreachable(f"TLS: {error}") from error

    def _left_s(self, end_s: float) -> float:
        return max(end_s - self._clock(), 1e-3)


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Checks the server's certificate and name. InvalidInput for a file that holds no certificates."""
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"ca_file {ca} holds no certificates in PEM: {error.strerror or error}") from error
