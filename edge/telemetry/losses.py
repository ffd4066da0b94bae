"""What a full disk took no note of: counts in a file whose room was taken while there was some."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from protocol.messages import RecordKind

_LENGTH = 128


class Losses:
    """How many records of each kind were lost and are not counted in the outbox yet. Written over in place, which takes no room
    on most file systems; where that fails too, the counts end with the process. For one thread at a time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None and not path.exists():
            self._write({}, os.O_CREAT)

    def read(self) -> Counter[RecordKind]:
        """What was left; nothing where that cannot be read."""
        if self._path is None:
            return Counter()
        try:
            counts = [int(word) for word in self._path.read_text(encoding="ascii").split()]
            return +Counter(dict(zip(RecordKind, counts, strict=True)))
        except (OSError, ValueError):
            return Counter()

    def write(self, counts: Mapping[RecordKind, int]) -> None:
        self._write(counts, 0)

    def _write(self, counts: Mapping[RecordKind, int], flags: int) -> None:
        if self._path is None:
            return
        text = " ".join(str(counts.get(kind, 0)) for kind in RecordKind).ljust(_LENGTH)
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o640)
            try:
                os.pwrite(descriptor, text.encode(), 0)
            finally:
                os.close(descriptor)
