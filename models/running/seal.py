"""A note beside a file that its content was checked: good while nobody touches the file and the computer stays up.

Reading half a gigabyte again at every start would cost more than all the rest of opening. The kernel stamps every change
of a file with its change time, which no program can set (inode(7), st_ctime), so that a file with the same inode, size
and times in the same boot still holds what was checked. After a boot it is checked again: power may have gone meanwhile.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SUFFIX = ".seal"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_SETTLED_NS = 3_000_000_000
"""A file that changed just now could change once more under the same stamp: FAT counts in steps of 2 s, others in 10 ms."""


def seal_of(path: Path) -> Path:
    """Where the note lies."""
    return path.with_name(path.name + SUFFIX)


def is_sealed(path: Path, *, boot_id: Path = BOOT_ID) -> bool:
    """Whether the file is just as it was when it was checked in this boot."""
    try:
        return seal_of(path).read_text() == _state(path, boot_id)
    except (OSError, UnicodeDecodeError):
        return False


def check_and_seal(
    path: Path,
    is_sound: Callable[[Path], bool],
    *,
    boot_id: Path = BOOT_ID,
    now_ns: Callable[[], int] = time.time_ns,
) -> bool:
    """Whether `is_sound(path)`; if so, and the file has been at rest, that is noted where the folder can be written."""
    started = now_ns()
    try:
        state = _state(path, boot_id)
    except OSError:
        return is_sound(path)
    if not is_sound(path):
        return False
    if started - path.stat().st_ctime_ns >= _SETTLED_NS:
        with suppress(OSError):
            _flush(path)
            _replace(seal_of(path), state)
    return True


def _flush(path: Path) -> None:
    """What the disk refuses is told here; else the page cache might drop it later, under a seal."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _state(path: Path, boot_id: Path) -> str:
    """OSError where the file is gone, or where the system does not tell one boot from another."""
    found = path.stat()
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return " ".join([boot_id.read_text().strip(), *map(str, numbers)])


def _replace(path: Path, content: str) -> None:
    beside = path.with_name(f".{path.name}-{os.getpid()}-{uuid.uuid4().hex}.building")
    try:
        beside.write_text(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
