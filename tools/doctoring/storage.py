"""Where the agent keeps what it must not lose."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.doctoring.findings import Finding, error, warning, well

_MIB = 1 << 20
_GIB = 1 << 30
_SCARCE_BYTES = _GIB
_TOO_LITTLE_BYTES = 100 * _MIB


def check_storage(
    data_dir: Path, *, free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> Iterator[Finding]:
    """Whether `data_dir` can be written, and how much room is left there."""
    if obstacle := _obstacle(data_dir):
        yield error(
            "disk", f"{data_dir} {obstacle}", "make it and give it to the agent's user, or set another 'data_dir'"
        )
        return
    free = free_bytes(data_dir)
    seen = f"{free / _GIB:.1f} GiB free in {data_dir}"
    if free < _TOO_LITTLE_BYTES:
        yield error("disk", seen, "make room: records and bundles cannot be kept")
    elif free < _SCARCE_BYTES:
        yield warning("disk", seen, "make room: bundles of large networks take hundreds of MiB")
    else:
        yield well("disk", seen)


def _obstacle(folder: Path) -> str:
    """Why nothing can be kept there; "" where it can."""
    if not folder.exists():
        return "does not exist"
    if not folder.is_dir():
        return "is no folder"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "is on a read-only file system"
    return "" if os.access(folder, os.W_OK | os.X_OK) else "cannot be written by this user"
