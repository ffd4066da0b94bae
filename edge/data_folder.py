"""The agent's folder of data: its own as long as it runs, and writable, or the agent says at once what is wrong."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from protocol.errors import DynaSplitError, InvalidInput

logger = logging.getLogger(__name__)

_FOLDERS = ("bundles", "tables")
_WRITTEN = (*_FOLDERS, "cache", "outbox.sqlite")
"""What is written to in place; all else is replaced, for which the folder's own rights count."""


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """The folder, made where it is not there, for this process alone until the block ends or the process does.

    InvalidInput where it cannot be made, where it or what an agent keeps in it may not be written, and where another agent
    holds it. A disk that is full, broken or read-only is no reason: serving goes on without it. Folders that were made for
    a start that is refused then, with a DynaSplitError, are gone again.
    """
    made = _made(folder)
    try:
        with _alone(folder):
            _check_writable(folder)
            for name in _FOLDERS:
                made = _made(folder / name) + made
            yield
    except DynaSplitError:
        with contextlib.suppress(OSError):  # what is in it is worth keeping
            for each in made:
                each.rmdir()
        raise


def _made(folder: Path) -> list[Path]:
    """The folders that were not there, innermost first."""
    try:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be made: {error.strerror}; set another 'data_dir'") from error
    return missing


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A lock on the folder itself (flock(2)): it needs no room on the disk, and goes with the process that holds it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InvalidInput(f"data_dir {folder} cannot be read: {error.strerror}; set another 'data_dir'") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InvalidInput(
            f"data_dir {folder} is in use by another agent; stop that one, or set another 'data_dir'"
        ) from error
    except OSError as error:  # a file system without locks
        logger.warning("data_dir %s cannot be locked (%s): let no other agent use it", folder, error.strerror)
    try:
        yield
    finally:
        os.close(descriptor)


def _check_writable(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except PermissionError as error:
        raise _not_ours(folder, folder) from error
    except OSError as error:
        logger.error("data_dir %s cannot be written now: %s", folder, error.strerror)
        return
    for path in (folder / name for name in _WRITTEN):
        if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
            raise _not_ours(folder, path)


def _not_ours(folder: Path, path: Path) -> InvalidInput:
    return InvalidInput(
        f"data_dir {folder}: {path} may not be written by the agent's user (uid {os.geteuid()}); "
        "give it to that user (chown -R), or set another 'data_dir'"
    )
