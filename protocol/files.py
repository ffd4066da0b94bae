"""Files that people name: regular ones only, and no larger than is sensible.

A device such as /dev/zero never ends, and a named pipe answers only when somebody writes to it; neither must take a process's
memory or its time.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

NETWORK_BYTES = 2 << 30
"""A flatbuffer's offsets reach no further (https://flatbuffers.dev/internals/)."""
TEXT_BYTES = 256 << 20
"""Of cards, tables, measurements and manifests."""


def open_regular(path: Path, *, limit_bytes: int | None = None, dir_fd: int | None = None) -> BufferedReader:
    """A regular file, open to be read; `path` counts from the folder `dir_fd` where one is given.

    OSError, whose `strerror` says it in words, for anything else and for one of more than `limit_bytes`. Never waits.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, not a regular file", str(path))
        if limit_bytes is not None and found.st_size > limit_bytes:
            raise _too_large(path, limit_bytes)
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_regular(path: Path, *, limit_bytes: int = TEXT_BYTES, dir_fd: int | None = None) -> bytes:
    """The content of a regular file; OSError as of `open_regular`."""
    with open_regular(path, limit_bytes=limit_bytes, dir_fd=dir_fd) as file:
        content = file.read() if os.fstat(file.fileno()).st_size else file.read(limit_bytes + 1)
    if len(content) > limit_bytes:  # files of the kernel tell no size, and others may grow
        raise _too_large(path, limit_bytes)
    return content


def _too_large(path: Path, limit_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {limit_bytes >> 20} MiB", str(path))
