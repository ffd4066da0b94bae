"""XNNPACK's packed weights in a file, so that opening costs milliseconds and processes share the pages.

XNNPACK takes the path of a file, maps it if it is there, and else writes it while it opens. It checks neither whether
the file belongs to the network (another network's answers would come back) nor whether it is whole (a truncated one
ends the process), and a full disk ends the process too. So it is one of the `SealedFiles`, named by what the content depends
on: bundle, LiteRT version, processor. Without ample room none is begun.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from models.running.processor import processor_digest
from models.running.sealed_files import SealedFiles, prefix_of

logger = logging.getLogger(__name__)

Opened = TypeVar("Opened")

_SUFFIX = ".xnnpack"
_KEPT_FILES = 8
_ROOM = 3
"""Seen: a cache takes 1.1 times the network with VGG16, 1.9 times with small networks."""


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
        return "" if self._files.is_there(self.key) else self._files.obstacle(_ROOM * self.network_bytes)

    def open(self, opening: Callable[[str], Opened]) -> Opened:
        """What `opening(path)` returns, with the path of a sound cache, or '' where none can be built.

        Where it has to be built, `opening` is called twice: what built it also holds the weights in memory of its own, so it is
        dropped, and opened again from the cache as in any later process.
        """
        found = self._files.find(self.key)
        if found:
            return opening(str(found))
        obstacle = self.obstacle()
        if obstacle:
            logger.warning("opening without a weight cache: %s", obstacle)
            return opening("")
        built = self._build(opening)
        return opening(str(built)) if built else opening("")

    def _build(self, opening: Callable[[str], Opened]) -> Path | None:
        """The file that opening wrote; what was opened is gone when this returns."""
        return self._files.build(self.key, lambda path: bool(opening(str(path))))[1]

    @cached_property
    def _files(self) -> SealedFiles:
        return SealedFiles(self.folder, _SUFFIX, keep_files=_KEPT_FILES)


def cache_key(bundle_digest: str, runtime: str, cpuinfo: str) -> str:
    """A file name's beginning that differs wherever packed weights do."""
    return f"{prefix_of(bundle_digest)}{runtime}-{processor_digest(cpuinfo)}"
