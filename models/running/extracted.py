"""Heads and tails as files of their own: the interpreter maps them, so that their weights take no memory twice."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.bundle import SIGNATURES, Bundle
from models.running.extract import extract_file
from models.running.sealed_files import SealedFiles, prefix_of

logger = logging.getLogger(__name__)

_FORMAT = "x1"
"""In every file's name: another number where another version of `models.running.extract` would write other files."""
_KEPT_BYTES = 4 << 30


@dataclass(frozen=True)
class ExtractedFiles:
    """The extracted signatures of a bundle in a folder, where they serve the next start too; None: nothing is kept."""

    bundle: Bundle
    folder: Path | None

    @contextmanager
    def file(self, signature: str) -> Iterator[Path]:
        """The signature's flatbuffer, there for as long as it takes to open it: it stays mapped when its name goes."""
        kept = self._kept(signature)
        if kept:
            yield kept
            return
        with tempfile.TemporaryDirectory(prefix="dynasplit-") as folder:
            path = Path(folder) / f"{signature}.tflite"
            extract_file(self._source, signature, path)
            yield path

    def _kept(self, signature: str) -> Path | None:
        if self._files is None:
            return None
        key = f"{prefix_of(self.bundle.digest)}{_FORMAT}-{signature}"
        found = self._files.find(key)
        if found:
            return found
        obstacle = self._files.obstacle(2 * self._source.stat().st_size)
        if obstacle:
            logger.debug("extracting into a temporary file: %s", obstacle)
            return None
        return self._files.build(key, lambda path: extract_file(self._source, signature, path))[1]

    @property
    def _source(self) -> Path:
        return self.bundle.artifact(SIGNATURES)

    @cached_property
    def _files(self) -> SealedFiles | None:
        return SealedFiles(self.folder, ".tflite", keep_bytes=_KEPT_BYTES) if self.folder else None
