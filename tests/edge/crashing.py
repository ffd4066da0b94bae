"""Crashes: an operation on a folder is ended at each of its steps on the disk in turn, each time on a fresh copy.

A step is whatever changes the disk: a file opened for writing, flushed, renamed, removed; a folder made, renamed, removed; a
statement of SQLite that writes. What is left is told in three ways, since a killed process keeps what it had written, while
power that goes may take anything that was not flushed (fsync(2)):

- `killed`: all that was written is there;
- `torn`: names are as they were, but of what files held unflushed only the first half is there;
- `cut off`: neither content nor names that were not flushed are there (the worst that a file system may do).

SQLite flushes its own files, out of sight here; a `torn` or `cut off` log of it (`-wal`) has lost its second half.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

Operation = Callable[[Path], object]

OUTCOMES = ("killed", "torn", "cut off")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "sqlite3.connect")
_HARMLESS = ("PRAGMA", "SELECT", "BEGIN", "ROLLBACK")
_ENDED, _FAILED = 70, 71
_LONGEST_S = 60


@dataclass(frozen=True)
class Crash:
    """What is left in `folder` after the operation was ended before step `where`; `done`: it had returned."""

    folder: Path
    where: str
    outcome: str
    done: bool

    def __str__(self) -> str:
        return f"{self.outcome} {'after the end' if self.done else f'before {self.where}'}"


def crashes(operation: Operation, *, prepared: Path, scratch: Path) -> Iterator[Crash]:
    """Each crash in turn, for each outcome until the operation returned. Its folder goes when the next crash is asked for."""
    for outcome in OUTCOMES:
        for number in count():
            folder = scratch / f"{OUTCOMES.index(outcome)}-{number}"
            shutil.copytree(prepared, folder)
            where, done = _ended(operation, folder, number, outcome)
            yield Crash(folder, where, outcome, done)
            shutil.rmtree(folder)
            if done:
                break


def _ended(operation: Operation, folder: Path, number: int, outcome: str) -> tuple[str, bool]:
    """In a child of this process; which step it was ended before, and whether the operation was through."""
    told, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that would be missing: the child needs none
        child = os.fork()
    if not child:
        _Child(folder, number, outcome, tell).run(operation)
    os.close(tell)
    with os.fdopen(told) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, _ENDED), f"the operation failed ({status}):\n{text}"
    return text, status == 0


@dataclass
class _Child:
    folder: Path
    left: int
    outcome: str
    tell: int
    ending: bool = False
    content: dict[int, bytes] = field(default_factory=dict)
    """Of each file (inode), what was flushed."""
    names: dict[int, dict[str, int]] = field(default_factory=dict)
    """Of each folder (inode), the names that were flushed, and what they stand for."""

    def run(self, operation: Operation) -> NoReturn:
        signal.alarm(_LONGEST_S)
        for path in (self.folder, *self.folder.rglob("*")):
            self._flushed(path)
        self._watch()
        try:
            operation(self.folder)
        except BaseException:  # noqa: BLE001 - the child must not come back as a second test run
            self.ending = True
            os.write(self.tell, traceback.format_exc().encode())
            os._exit(_FAILED)
        self._end("", 0)

    def _watch(self) -> None:
        flush, connect = os.fsync, sqlite3.connect

        def flushing(file: Any) -> None:
            number = file if isinstance(file, int) else file.fileno()
            path = Path(f"/proc/self/fd/{number}").readlink()
            self._step(f"flushing {path.name}")
            flush(number)
            self._flushed(path)

        step = self._step

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
                if not sql.startswith(_HARMLESS):
                    step(sql)
                return super().execute(sql, *rest)

            def executescript(self, sql: str) -> sqlite3.Cursor:
                step(sql)
                return super().executescript(sql)

        os.fsync = os.fdatasync = flushing  # type: ignore[assignment]
        sqlite3.connect = lambda *given, **more: connect(*given, **{"factory": Connection, **more})  # type: ignore[assignment]
        sys.addaudithook(self._heard)

    def _heard(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = given
            if isinstance(flags, int) and flags & _WRITING and not isinstance(path, int):
                self._step(f"opening {Path(os.fsdecode(path)).name}")
        elif event in _CHANGES:
            self._step(" ".join([event, *(Path(str(each)).name for each in given[:2])]))

    def _step(self, what: str) -> None:
        if self.ending:
            return
        if self.left == 0:
            self._end(what, _ENDED)
        self.left -= 1

    def _flushed(self, path: Path) -> None:
        inode = path.stat().st_ino
        if inode not in self.names and inode not in self.content:
            os.open(path, os.O_PATH)  # held, so that its number is not given to another when it is removed
        if path.is_dir():
            self.names[inode] = {child.name: child.stat().st_ino for child in path.iterdir()}
        elif path.is_file():
            self.content[inode] = path.read_bytes()

    def _end(self, what: str, status: int) -> NoReturn:
        self.ending = True
        if self.outcome == "torn":
            self._tear()
        elif self.outcome == "cut off":
            self._cut_off()
        os.write(self.tell, what.encode())
        os._exit(status)

    def _tear(self) -> None:
        for path in [path for path in self.folder.rglob("*") if path.is_file()]:
            if _by_sqlite(path):
                _halve_log(path)
                continue
            content, flushed = path.read_bytes(), self.content.get(path.stat().st_ino, b"")
            if content != flushed:
                path.write_bytes(content[: (len(flushed) + len(content)) // 2])

    def _cut_off(self) -> None:
        aside = self.folder.with_name(f"{self.folder.name}-live")
        inode = self.folder.stat().st_ino
        self.folder.rename(aside)
        self._restore(self.folder, inode)
        for path in [path for path in aside.rglob("*") if _by_sqlite(path)]:
            target = self.folder / path.relative_to(aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            _halve_log(target)
        shutil.rmtree(aside)

    def _restore(self, folder: Path, inode: int) -> None:
        folder.mkdir()
        for name, each in self.names.get(inode, {}).items():
            if each in self.names:
                self._restore(folder / name, each)
            else:
                (folder / name).write_bytes(self.content.get(each, b""))


def _by_sqlite(path: Path) -> bool:
    return ".sqlite" in path.name


def _halve_log(path: Path) -> None:
    if path.name.endswith("-wal"):
        os.truncate(path, path.stat().st_size // 2)
