"""Openers whose runners misbehave in their child process, and one that notes what is opened and closed there. Each head of the
former writes its process id, so that tests can wait for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.runners.port import RunnerKey
from models.bundle import Bundle
from models.running.runner import FakeRunner, Runner


class _Misbehaves(FakeRunner):
    def __init__(self, key: RunnerKey, cache_dir: Path | None) -> None:
        super().__init__(Bundle.open(key.folder).manifest)
        self._started = cache_dir / "head-started" if cache_dir else None

    def head(self, cut, inputs):
        if self._started:
            self._started.write_text(str(os.getpid()))
        self.misbehave()
        return super().head(cut, inputs)

    def misbehave(self) -> None:
        """What it does instead of running."""


class _Hangs(_Misbehaves):
    def misbehave(self) -> None:
        time.sleep(60)


class _HangsFromTheSecondOn(_Misbehaves):
    heads = 0

    def misbehave(self) -> None:
        self.heads += 1
        if self.heads > 1:
            time.sleep(60)


class _Dies(_Misbehaves):
    def misbehave(self) -> None:
        os.kill(os.getpid(), signal.SIGILL)


class _Breaks(_Misbehaves):
    def misbehave(self) -> None:
        raise ValueError("the delegate failed")


def hanging(key: RunnerKey, cache_dir: Path | None) -> Runner:
    return _Hangs(key, cache_dir)


def hanging_from_the_second_on(key: RunnerKey, cache_dir: Path | None) -> Runner:
    return _HangsFromTheSecondOn(key, cache_dir)


def dying(key: RunnerKey, cache_dir: Path | None) -> Runner:
    return _Dies(key, cache_dir)


def breaking(key: RunnerKey, cache_dir: Path | None) -> Runner:
    return _Breaks(key, cache_dir)


def _end() -> None:
    os._exit(1)


class UnreadableOpener:
    """Ends the child that unpickles it, before it serves anything."""

    def __reduce__(self):
        return _end, ()


class _Told(FakeRunner):
    """Tells when it is closed."""

    def __init__(self, key: RunnerKey, tell: Callable[[], None]) -> None:
        super().__init__(Bundle.open(key.folder).manifest)
        self._tell = tell

    def close(self) -> None:
        self._tell()
        super().close()


@dataclass(frozen=True)
class NotingOpener:
    """Opens fakes, and keeps in a file what was done, in order: `opened off`, `opened std`, `closed std`."""

    note: Path

    def __call__(self, key: RunnerKey, _cache_dir: Path | None) -> Runner:
        self._write("opened", key)
        return _Told(key, lambda: self._write("closed", key))

    def _write(self, what: str, key: RunnerKey) -> None:
        with self.note.open("a") as file:
            file.write(f"{what} {key.accelerator}\n")
