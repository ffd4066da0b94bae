"""A folder of large files that are made once and used by many processes: never half-written, never trusted when damaged.

A file's name holds what its content depends on, its size and its CRC-32. It is built beside and renamed; one that does not
match its name is dropped. The checksum is taken once per boot (`models.running.seal`). The least recently used go first.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from models.running.seal import check_and_seal, is_sealed, seal_of

logger = logging.getLogger(__name__)

Made = TypeVar("Made")

_BUILDING = ".building"
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class SealedFiles:
    """The files with one suffix in a folder: the `keep_files` latest, and those only up to `keep_bytes` together."""

    folder: Path
    suffix: str
    keep_files: int = 1000
    keep_bytes: int = 1 << 62

    def is_there(self, key: str) -> bool:
        """Whether a file of this key lies there, sound or not."""
        return any(self._of(key))

    def find(self, key: str) -> Path | None:
        """The sound file of this key, whose use is noted; one that is damaged is dropped."""
        for path in self._of(key):
            if is_sealed(path) or check_and_seal(path, lambda file: file.name == self._name(key, file)):
                _note_use(path)
                return path
            logger.warning("%s is damaged and is made again", path)
            _drop(path)
        return None

    def obstacle(self, needed_bytes: int) -> str:
        """Why no file of this size can be made; '' where it can."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            return f"{self.folder}: {error.strerror}"
        if not os.access(self.folder, os.W_OK | os.X_OK):
            return f"{self.folder} cannot be written"
        if free < needed_bytes:
            return f"{self.folder} has {free >> 20} MiB free, {needed_bytes >> 20} MiB are needed"
        return ""

    def build(self, key: str, making: Callable[[Path], Made]) -> tuple[Made, Path | None]:
        """What `making(path)` returns, and the file that it wrote there, if any, under its key."""
        self._drop_abandoned()
        building, kept = self.folder / f".{key}-{os.getpid()}-{uuid.uuid4().hex}{_BUILDING}", None
        try:
            made = making(building)
            with suppress(FileNotFoundError):
                kept = building.rename(self.folder / self._name(key, building))
        finally:
            building.unlink(missing_ok=True)
        self._drop_oldest()
        return made, kept

    def _of(self, key: str) -> Iterator[Path]:
        return self.folder.glob(f"{key}-*{self.suffix}")

    def _name(self, key: str, path: Path) -> str:
        checksum = 0
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while chunk := file.read(_CHUNK_BYTES):
                checksum = zlib.crc32(chunk, checksum)
        return f"{key}-{size}-{checksum:08x}{self.suffix}"

    def _drop_abandoned(self) -> None:
        """What processes left that ended while they built. One that still builds in another container only loses its copy."""
        for path in self.folder.glob(f".*{_BUILDING}"):
            if not _alive(int(path.name.split("-")[-2])):
                path.unlink(missing_ok=True)

    def _drop_oldest(self) -> None:
        """A file that is in use stays mapped when its name goes."""
        held = 0
        latest_first = sorted(self.folder.glob(f"*{self.suffix}"), key=_used, reverse=True)
        for place, path in enumerate(latest_first):
            held += _size(path)
            if place and (place >= self.keep_files or held > self.keep_bytes):
                _drop(path)


def prefix_of(bundle_digest: str) -> str:
    """How the name of each file begins that was made of a bundle."""
    return f"{bundle_digest[:24]}-"


def bytes_made_of(folder: Path, bundle_digest: str) -> int:
    """What the files take that were made of a bundle; 0 where there are none."""
    return sum(_size(path) for path in folder.glob(f"{prefix_of(bundle_digest)}*"))


def drop_files_of(folder: Path, bundle_digest: str) -> None:
    """Removes what was made of a bundle. What is in use stays mapped, and what cannot be removed stays."""
    for path in folder.glob(f"{prefix_of(bundle_digest)}*"):
        _drop(path)


def _drop(path: Path) -> None:
    for each in (path, seal_of(path)):
        with suppress(OSError):
            each.unlink(missing_ok=True)


def _note_use(path: Path) -> None:
    """On the seal: touching the file itself would break it. On a read-only file system there is nothing to note."""
    with suppress(OSError):
        os.utime(seal_of(path))


def _used(path: Path) -> float:
    times = []
    for each in (path, seal_of(path)):
        with suppress(OSError):
            times.append(each.stat().st_mtime)
    return max(times, default=time.time())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
