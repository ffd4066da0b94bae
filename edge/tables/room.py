"""Room for bundles: a budget on the disk, kept by letting the least recently used go."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from models.running.sealed_files import bytes_made_of, drop_files_of
from protocol.errors import Conflict, DynaSplitError, ServiceMissing

logger = logging.getLogger(__name__)

DIGEST = re.compile(r"[0-9a-f]{64}")
PARTIAL = ".partial-"
"""What a bundle's folder is called, with its digest, until it is whole, and again while it goes."""


class NoRoom(Conflict):
    """A bundle does not fit into its budget beside those that are in use."""

    http_status: ClassVar[int] = 507


class DiskFull(ServiceMissing):
    """The disk is full, or refuses to be written: room may come."""

    http_status: ClassVar[int] = 507


def free_bytes(folder: Path) -> int:
    """What is left of the file system for anybody."""
    return shutil.disk_usage(folder).free


class Room:
    """Keeps the bundles in a folder within `max_bytes` (0: no limit) and leaves `spare_bytes` of the disk to others.

    To a bundle belong its packed weights and extracted heads in `cache_dir`: they count, and go with it. `release` is told
    its folder before, since what is open takes room though its name is gone. For one thread at a time.
    """

    def __init__(
        self,
        *,
        max_bytes: int = 0,
        spare_bytes: int = 0,
        cache_dir: Path | None = None,
        release: Callable[[Path], None] = lambda _: None,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._max_bytes = max_bytes
        self._spare_bytes = spare_bytes
        self._cache_dir = cache_dir
        self._release = release
        self._free = free

    def make(self, folder: Path, digest: str, nbytes: int, *, needed: Collection[str]) -> None:
        """Lets bundles go that are not `needed`, the least recently used first, until one of `nbytes` fits.

        Some of it may be here. None goes where that would not help: NoRoom and DiskFull then, with the sizes.
        """
        missing = nbytes - size_of(folder / f"{PARTIAL}{digest}")
        others = [path for path in _bundles(folder) if _digest(path) != digest]
        may_go = sorted((path for path in others if _digest(path) not in needed), key=_rank)
        over = self._over(others, nbytes)
        short = missing + self._spare_bytes - self._free(folder)
        going = list(self._enough(may_go, max(over, short)))
        gained = sum(map(self._taken_by, going))
        if gained < over:
            raise NoRoom(self._refusal(digest, nbytes, others, may_go))
        if gained < short:
            raise DiskFull(
                f"bundle {digest:.12} needs {missing} bytes more and {self._spare_bytes} are kept free, but the disk of "
                f"{folder} has {self._free(folder)}: free some"
            )
        for path in going:
            self._let_go(path)

    def _over(self, others: Collection[Path], nbytes: int) -> int:
        return sum(map(self._taken_by, others)) + nbytes - self._max_bytes if self._max_bytes else 0

    def _taken_by(self, path: Path) -> int:
        return size_of(path) + self._made_of(_digest(path))

    def _made_of(self, digest: str) -> int:
        return bytes_made_of(self._cache_dir, digest) if self._cache_dir else 0

    def _enough(self, candidates: Collection[Path], nbytes: int) -> Iterator[Path]:
        for path in candidates:
            if nbytes <= 0:
                return
            nbytes -= self._taken_by(path)
            yield path

    def _let_go(self, path: Path) -> None:
        """Under the name of one that is not whole, so that it is never found half."""
        digest, aside = _digest(path), path.with_name(f"{PARTIAL}{_digest(path)}")
        logger.info("bundle %.12s goes to make room", digest)
        with suppress(DynaSplitError):  # a runner that died of it has let go as well
            self._release(path)
        if path != aside:
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
        shutil.rmtree(aside)
        if self._cache_dir:
            drop_files_of(self._cache_dir, digest)

    def _refusal(self, digest: str, nbytes: int, others: Collection[Path], may_go: Collection[Path]) -> str:
        in_use = sum(self._taken_by(path) for path in others if path not in may_go)
        return (
            f"bundle {digest:.12} has {nbytes} bytes, bundles that are in use {in_use}, and all may have "
            f"{self._max_bytes}: raise 'bundles_max_bytes', or push tables for smaller bundles"
        )


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else 0


def _bundles(folder: Path) -> list[Path]:
    """Whatever else lies there is not ours."""
    return [path for path in folder.iterdir() if path.is_dir() and DIGEST.fullmatch(_digest(path))]


def _digest(path: Path) -> str:
    return path.name.removeprefix(PARTIAL)


def _rank(path: Path) -> tuple[bool, float]:
    """Those that are not whole first, then by their last use."""
    return not path.name.startswith(PARTIAL), path.stat().st_mtime
