"""Small files that are replaced as a whole: a crash at any moment leaves the old or the new content, never half."""

from __future__ import annotations

import os
from pathlib import Path


def replace_content(path: Path, content: bytes) -> None:
    """Written beside, flushed, renamed over (rename(2) is atomic), and the folder flushed. OSError as these raise it.

    For one thread at a time and path. Where the disk takes no more, nothing new stays on it.
    """
    beside = path.with_suffix(".new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    flush(path.parent)


def flush(path: Path) -> None:
    """Onto the card (fsync(2)), file or folder, before anything refers to it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path) -> Path:
    """Keeps a file that cannot be read under another name, for whoever wants to know; the new name."""
    return path.replace(path.with_suffix(".broken"))
