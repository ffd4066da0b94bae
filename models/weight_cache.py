"""XNNPACK's packed weights in a file, so that opening costs milliseconds and processes share the pages.

XNNPACK takes the path of a file, maps it if it is there, and else writes it while it opens. It checks neither whether
the file belongs to the network (another network's answers would come back) nor whether it is whole (a truncated one
ends the process), and a full disk ends the process too. So the name holds what the content depends on (bundle, LiteRT
version, processor) and its own size and CRC-32; a new one is built beside it and renamed, and one that does not match
its name is built again. Without ample room none is begun.
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

from models.processor import processor_digest

logger = logging.getLogger(__name__)

Opened = TypeVar("Opened")

_SUFFIX = ".xnnpack"
_KEPT_FILES = 8
_BUILDING = ".building"
_ROOM = 3
"""Seen: a cache takes 1.1 times the network with VGG16, 1.9 times with small networks."""
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class WeightCache:
    """The cache of one bundle, runtime version and processor in a folder. Several processes may use it at once.

    `network_bytes` is the size of the flatbuffer whose weights are packed.
    """

    folder: Path
    key: str
    network_bytes: int

    def obstacle(self) -> str:
        """Why there is no cache to use and none can be built; '' where there is one or can be."""
        if any(self._sealed()):
            return ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            return f"{self.folder}: {error.strerror}"
        if not os.access(self.folder, os.W_OK | os.X_OK):
            return f"{self.folder} cannot be written"
        if free < _ROOM * self.network_bytes:
            return f"{self.folder} has {free >> 20} MiB free, {_ROOM * self.network_bytes >> 20} MiB are needed"
        return ""

    def open(self, opening: Callable[[str], Opened]) -> Opened:
        """What `opening(path)` returns, with the path of a sound cache, or of one that it builds, or '' where none can be."""
        for path in self._sealed():
            if path.name == _sealed_name(self.key, path):
                _touch(path)
                return opening(str(path))
            logger.warning("%s is damaged and is built again", path)
            with suppress(OSError):
                path.unlink()
        self._drop_abandoned()
        obstacle = self.obstacle()
        if obstacle:
            logger.warning("opening without a weight cache: %s", obstacle)
            return opening("")
        return self._build(opening)

    def _build(self, opening: Callable[[str], Opened]) -> Opened:
        building = self.folder / f".{self.key}-{os.getpid()}-{uuid.uuid4().hex}{_BUILDING}"
        try:
            opened = opening(str(building))
            with suppress(FileNotFoundError):
                building.rename(self.folder / _sealed_name(self.key, building))
        finally:
            building.unlink(missing_ok=True)
        self._drop_oldest()
        return opened

    def _sealed(self) -> Iterator[Path]:
        return self.folder.glob(f"{self.key}-*{_SUFFIX}")

    def _drop_abandoned(self) -> None:
        """What processes left that ended while they built. One that still builds in another container only loses its copy."""
        for path in self.folder.glob(f".*{_BUILDING}"):
            if not _alive(int(path.name.split("-")[-2])):
                path.unlink(missing_ok=True)

    def _drop_oldest(self) -> None:
        """A cache that is in use stays mapped when its file goes."""
        caches = sorted(self.folder.glob(f"*{_SUFFIX}"), key=_modified, reverse=True)
        for path in caches[_KEPT_FILES:]:
            path.unlink(missing_ok=True)


def cache_key(bundle_digest: str, runtime: str, cpuinfo: str) -> str:
    """A file name's beginning that differs wherever packed weights do."""
    return f"{bundle_digest[:24]}-{runtime}-{processor_digest(cpuinfo)}"


def _sealed_name(key: str, path: Path) -> str:
    checksum = 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while chunk := file.read(_CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    return f"{key}-{size}-{checksum:08x}{_SUFFIX}"


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _touch(path: Path) -> None:
    """The latest use counts; on a read-only file system there is nothing to note."""
    try:
        os.utime(path)
    except OSError:
        logger.debug("cannot note the use of %s", path)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
