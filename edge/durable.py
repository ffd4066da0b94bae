"""Small files that are replaced as a whole: a crash at any moment leaves the old or the new content, never half."""

from __future__ import annotations

import os
from pathlib import Path


def replace_content(path: Path, content: bytes) -> None:
    """Written beside, flushed, renamed over (rename(2) is atomic), and the folder flushed. OSError as these raise it."""
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path) -> Path:
    """Keeps a file that cannot be read under another name, for whoever wants to know; the new name."""
    return path.replace(path.with_suffix(".broken"))
