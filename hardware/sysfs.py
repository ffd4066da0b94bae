"""Small files through which the kernel tells and takes settings."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from protocol.errors import NotAllowed

Write = Callable[[Path, str], None]
"""Writes a text to a file of the kernel; raises OSError as the kernel answers."""

SYSFS = Path("/sys")

_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def write_text(path: Path, text: str) -> None:
    """Writes without creating: a file that the kernel does not offer is FileNotFoundError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def not_allowed(path: Path, error: OSError) -> NotAllowed | None:
    """What to say when the kernel refuses for want of rights; None when it refuses for another reason."""
    if error.errno not in _NOT_ALLOWED:
        return None
    if error.errno == errno.EROFS:
        return NotAllowed(
            f"{path} is on a read-only file system: the unit needs ProtectKernelTunables=no (or ReadWritePaths=/sys), "
            "a container /sys writable (--privileged)"
        )
    return NotAllowed(
        f"{path}: {error.strerror}; run as root, or install 70-dynasplit.rules and tmpfiles.d/dynasplit.conf, which give "
        "the group 'dynasplit' the right to it"
    )
