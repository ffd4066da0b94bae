"""Where results go: tables and progress for people on stderr, JSON for machines to a file or stdout."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
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
    if target is not None and target != "-":
        check_target(Path(target))


def check_target(path: Path) -> None:
    """InvalidInput when `write_bytes` could not write there later."""
    try:
        place = _place(path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error
    if not os.access(place.parent if place else path, os.W_OK):
        raise InvalidInput(f"cannot write {path}: give a file in a folder that exists and can be written")


def check_paths(arguments: argparse.Namespace) -> None:
    """InvalidInput when what is to be written would take the place of what is read, or of something else that is written."""
    given = vars(arguments)
    taken = {_resolved(path) for name, value in given.items() if name not in _WRITTEN for path in _paths(name, value)}
    for name, option in _WRITTEN.items():
        path = given.get(name)
        if path is None or (name == "json" and path == "-"):
            continue
        if str(path) == "-":
            raise InvalidInput(f"{option} - would be a file of that name: name a file, or /dev/stdout")
        if (place := _resolved(Path(path))) in taken and not _is_special(place):
            raise InvalidInput(f"{option} {path} is named by another option as well: it would take that file's place")
        taken.add(place)


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
    """Replaces a file's content in one step: readers see the old or the new, never half.

    A link is followed. Devices and pipes are written into; whatever else is no regular file is InvalidInput.
    """
    write_bytes(path, text.encode(), mode=mode)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """As `write_text`, for what is no text."""
    try:
        place = _place(path)
        if place:
            _replace(place, content, mode=mode)
        else:
            with path.open("wb") as stream:
                stream.write(content)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error


def read_text(path: Path, *, what: str) -> str:
    """A file's content; InvalidInput that names it when it cannot be read."""
    try:
        return read_regular(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInput(f"{what} {path} cannot be read: {reason}") from error


def _place(path: Path) -> Path | None:
    """The regular file, there already or not, at the end of all links. None: a device or a pipe, never to be replaced.

    OSError for what nothing can be written to.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path.resolve()
    if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a disk or a socket, not a regular file")
    return path.resolve()


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


_WRITTEN = {"output": "--output", "plot": "--plot", "json": "--json"}
"""Options that name files to be written, by where argparse keeps them."""

_READ = ("measurements", "source", "weights")
"""Options that name a file to be read, or something else; so may a network, where it has a suffix."""


def _paths(name: str, value: object) -> Iterator[Path]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Path):
            yield item
        elif isinstance(item, str) and (name in _READ or (name == "network" and Path(item).suffix)):
            yield Path(re.sub(r"^sqlite:///", "", item))


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, or no name of a file
        return path.absolute()


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()
