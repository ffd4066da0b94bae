"""Where the local API listens: a port, or a unix socket that only its owner and group may use."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from protocol.errors import InvalidInput

_MASK = 0o117
"""Leaves a new socket mode 0660."""


@contextlib.contextmanager
def listening_on_port(host: str, port: int) -> Iterator[socket.socket]:
    """At an address of IPv4 or IPv6, or a name that has one of IPv4. InvalidInput where nothing can listen, or something does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family)
    except OSError as error:
        raise InvalidInput(f"port {port} on {host} {_reason(error)}") from error
    except UnicodeError as error:
        raise InvalidInput(f"host {host!r:.80} is no name of a host: {error}") from error
    with bound:
        yield bound


def address_of(listening: socket.socket) -> str:
    """Where it listens, as a URL."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if listening.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


@contextlib.contextmanager
def listening_on_path(path: Path) -> Iterator[socket.socket]:
    """A socket at this path, mode 0660, which is gone again when the block ends.

    One that a killed agent has left is replaced; InvalidInput for one that somebody listens on, and for anything else that
    lies there. To be called while no other thread creates files, since the process's umask is changed for a moment.
    """
    _clear(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(_MASK)
    try:
        bound.bind(str(path))
        bound.listen()
    except OSError as error:
        bound.close()
        raise InvalidInput(f"socket {path} {_reason(error)}; set another 'socket'") from error
    finally:
        os.umask(mask)
    with bound:
        try:
            yield bound
        finally:
            path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Removes a socket that nobody listens on."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise InvalidInput(f"socket {path}: something else lies there; set another 'socket', or remove it")
    except OSError:  # nothing is there, or its folder is not: binding will say what is wrong
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InvalidInput(f"socket {path} {_reason(error)}; set another 'socket'") from error
        else:
            raise InvalidInput(f"socket {path} is in use; stop what listens there, or set another 'socket'")


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"is in use; stop what listens there, or choose another ({error.strerror})"
    return f"cannot be opened ({error.strerror or error})"
