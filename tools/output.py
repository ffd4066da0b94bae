"""Where results go: tables and progress for people on stderr, JSON for machines to a file or stdout."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol.errors import InvalidInput
from protocol.files import read_regular

if TYPE_CHECKING:
    from rich.console import Console


def console() -> Console:
    """The console for people, on stderr."""
    from rich.console import Console

    return Console(stderr=True)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="PATH", help="write the same facts as JSON to a file, or to stdout with -")


def check_json_target(target: str | None) -> None:
    """InvalidInput when `target` could not be written later: better told before the work than after it."""
    if target is None or target == "-":
        return
    folder = Path(target).absolute().parent
    if Path(target).is_dir() or not os.access(folder, os.W_OK):
        raise InvalidInput(f"cannot write {target}: give a file in a folder that exists and can be written")


def write_json(target: str | None, content: Any, *, mode: int = 0o644) -> None:
    """Writes to `target` ("-": stdout; None: nowhere), a file atomically and with these rights."""
    if target is None:
        return
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    write_text(Path(target), text, mode=mode)


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replaces a file's content in one step: readers see the old or the new, never half."""
    write_bytes(path, text.encode(), mode=mode)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """As `write_text`, for what is no text."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error


def read_text(path: Path, *, what: str) -> str:
    """A file's content; InvalidInput that names it when it cannot be read."""
    try:
        return read_regular(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInput(f"{what} {path} cannot be read: {reason}") from error
