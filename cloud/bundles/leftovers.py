"""What an upload that never ended has left on disk, and artifacts that no bundle came for."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cloud.bundles.files import BundleFiles, StoreFull
from protocol.errors import DynaSplitError

logger = logging.getLogger(__name__)

OLD_S = 86_400.0
"""An upload that has written nothing for so long has ended, and the bundle of an artifact comes sooner."""

_UNFINISHED = (".new-*", ".old-*")


def remove_leftovers(folder: Path, *, now_s: float | None = None) -> int:
    """Removes from a folder of `BundleFiles` what is older than a day and belongs to nothing; how many files and folders.

    `now_s`: wall time, since that is what files carry. What cannot be read or removed stays.
    """
    before_s = (time.time() if now_s is None else now_s) - OLD_S
    artifacts, bundles = folder / "artifacts", folder / "bundles"
    leftovers = [path for each in (artifacts, bundles) for pattern in _UNFINISHED for path in each.glob(pattern)]
    with suppress(DynaSplitError, OSError):  # who knows what a bundle names that cannot be read?
        leftovers += _nobodys(BundleFiles(folder), artifacts, bundles)
    removed = sum(_remove(path) for path in leftovers if _is_older(path, before_s))
    if removed:
        logger.info("removed %d files and folders of uploads that never ended from %s", removed, folder)
    return removed


@contextmanager
def making_room(folder: Path) -> Iterator[None]:
    """Removes leftovers when the disk turns out to be full; the StoreFull then says that the same request may find room now."""
    try:
        yield
    except StoreFull as error:
        if not remove_leftovers(folder):
            raise
        raise StoreFull(f"{error}; some was made just now of uploads that never ended: try once more") from error


def _nobodys(files: BundleFiles, artifacts: Path, bundles: Path) -> Iterator[Path]:
    """The artifacts that no bundle names. Not by the count of links alone: a copy of the folder may have none."""
    here = [path for path in artifacts.glob("*") if not path.name.startswith(".")]
    digests = [path.name for path in bundles.glob("*") if not path.name.startswith(".")]
    named = {item.sha256 for digest in digests for item in files.manifest(digest).artifacts}
    # A bundle that has come since the folder was listed has a link.
    return (path for path in here if path.name not in named and path.stat().st_nlink == 1)


def _is_older(path: Path, before_s: float) -> bool:
    try:
        return path.lstat().st_mtime < before_s
    except OSError:
        return False


def _remove(path: Path) -> bool:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        logger.debug("%s stays: %s", path, error)
        return False
    return True
