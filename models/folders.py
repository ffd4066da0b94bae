"""Folders that are replaced while others read them: swapped in one step where the kernel can, read through one folder.

Linux swaps two names at once (renameat2(2), RENAME_EXCHANGE). Elsewhere, and on file systems without it, the old folder is renamed
aside first, so that for a moment nothing is there; readers come again then.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from protocol.errors import DynaSplitError

Found = TypeVar("Found")

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_TRIES = 100
_GAP_S = 0.05
"""How long nothing may be there between two renames, where there is no exchange: they wait while others' files go to the disk."""
_NOT_OFFERED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_SOMEBODY_ELSE = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST)


def undisturbed(folder: Path, look: Callable[[int], Found]) -> Found:
    """What `look` finds through the open folder (a `dir_fd`), again where it fails and the folder was replaced meanwhile.

    OSError where there is no such folder, nor comes within 50 ms.
    """
    gone_by = time.monotonic() + _GAP_S
    for _ in range(_TRIES):
        before = _identity(folder)
        try:
            return _through(folder, look)
        except (OSError, DynaSplitError):
            if before or _identity(folder):
                if _identity(folder) == before:
                    raise
            elif time.monotonic() < gone_by:
                time.sleep(_GAP_S / 10)
            else:
                raise
    return _through(folder, look)


def put_in_place(new: Path, folder: Path) -> Path | None:
    """Renames the folder `new` to `folder`; what was there is where the returned path says, None where nothing was.

    Whoever else does so at the same time comes before or after. Raises OSError.
    """
    for _ in range(_TRIES):
        try:
            if folder.exists() and _exchanged(new, folder):
                return new
            aside = _moved_aside(folder)
            try:
                new.rename(folder)
            except OSError:
                _put_back(aside, folder)
                raise
            return aside
        except OSError as error:
            if error.errno not in _SOMEBODY_ELSE or not new.exists():
                raise
    raise OSError(errno.EBUSY, "others replace it all the time", str(folder))


def remove(folder: Path) -> None:
    """What is left of a folder, or a link to one, goes; what cannot be removed stays."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _through(folder: Path, look: Callable[[int], Found]) -> Found:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return look(descriptor)
    finally:
        os.close(descriptor)


def _identity(folder: Path) -> tuple[int, ...]:
    """The change time too: numbers of removed folders are given out again."""
    try:
        found = folder.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _exchanged(new: Path, folder: Path) -> bool:
    """Whether the two have changed places; False where that cannot be asked here."""
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(folder), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_OFFERED:
        return False
    raise OSError(number, os.strerror(number), str(folder))


@cache
def _renameat2() -> Any:
    """The C library's function; None where it has none, as on macOS and with glibc before 2.28."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        rename.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return rename


def _moved_aside(folder: Path) -> Path | None:
    try:
        return folder.rename(folder.with_name(f".{folder.name}.{uuid.uuid4().hex}"))
    except FileNotFoundError:
        return None


def _put_back(aside: Path | None, folder: Path) -> None:
    """Where somebody else's is there by now, it is newer."""
    if aside is None:
        return
    try:
        aside.rename(folder)
    except OSError:
        remove(aside)
