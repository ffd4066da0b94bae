"""Bundles on the device: those that are here, and fetching those that are not."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn
from weakref import WeakValueDictionary

from edge import durable
from edge.tables.room import DIGEST, PARTIAL, DiskFull, Room
from edge.tables.source import Source
from models.bundle import MANIFEST, Bundle
from models.manifest import Manifest
from protocol.documents import parse_object
from protocol.errors import BundleBroken, DynaSplitError, InvalidInput, ServiceMissing

logger = logging.getLogger(__name__)

_LARGEST_MANIFEST_BYTES = 64 << 20


class BundleStore:
    """Bundles by digest in `<folder>/<digest>`, each whole or not there. All methods may be called from any thread.

    One that is being fetched lies in `<folder>/.partial-<digest>`, where the next attempt goes on, also after a restart.
    `room` keeps them within their budget; what somebody holds (a network, a running request) or `needed` names stays.
    """

    def __init__(
        self,
        folder: Path,
        source: Source,
        *,
        room: Room | None = None,
        needed: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._folder = folder
        self._source = source
        self._room = room or Room()
        self._needed = needed
        self._fetching = threading.Lock()
        self._hands: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._in_hand: Counter[str] = Counter()
        self._held: WeakValueDictionary[str, Bundle] = WeakValueDictionary()
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{PARTIAL}*"):
            if not DIGEST.fullmatch(leftover.name.removeprefix(PARTIAL)):
                shutil.rmtree(leftover, ignore_errors=True)

    def get(self, digest: str) -> Bundle:
        """The bundle that is here or can be fetched; its files are checked the first time.

        Raises InvalidInput for what is no digest, BundleBroken when the source's files do not match it, NoRoom and DiskFull
        when it does not fit, NotFound and ServiceMissing as the source.
        """
        return self._got(digest, otherwise=self._fetched)

    def here(self, digest: str) -> Bundle:
        """As `get`, but ServiceMissing for one that would have to be fetched."""
        return self._got(digest, otherwise=_missing)

    def _got(self, digest: str, *, otherwise: Callable[[str], Bundle]) -> Bundle:
        if not DIGEST.fullmatch(digest):
            raise InvalidInput(f"a bundle's digest is 64 hexadecimal digits, not {digest!r:.80}")
        if held := self._held.get(digest):
            return held
        with self._in_hands(digest):
            bundle = self._held.get(digest) or self._present(digest) or otherwise(digest)
            self._held[digest] = bundle
        return bundle

    @contextmanager
    def _in_hands(self, digest: str) -> Iterator[None]:
        """One thread at a time per bundle: fetching one, which may take hours, holds up nobody who wants another."""
        self._in_hand[digest] += 1
        try:
            with self._hands[digest]:
                yield
        finally:
            self._in_hand[digest] -= 1

    def _present(self, digest: str) -> Bundle | None:
        folder = self._folder / digest
        if not folder.exists():
            return None
        try:
            bundle = _checked(folder, digest)
        except BundleBroken as error:
            logger.warning("bundle %.12s on this device is damaged and goes: %s", digest, error)
            shutil.rmtree(folder, ignore_errors=True)  # what a broken card keeps stays damaged, and is found so again
            return None
        with suppress(OSError):  # a disk that takes no note of its use still serves it
            os.utime(folder)
        return bundle

    def _fetched(self, digest: str) -> Bundle:
        """Completed in a folder beside its place, checked there, flushed and renamed: never half-written."""
        with self._fetching:  # two at once would count on the same room
            partial = self._folder / f"{PARTIAL}{digest}"
            begun_before = partial.exists()
            try:
                self._complete(partial, digest)
            except BundleBroken as error:
                if not begun_before:
                    raise
                logger.warning("what was fetched of bundle %.12s is of no use, beginning anew: %s", digest, error)
                self._complete(partial, digest)
            partial.rename(self._folder / digest)
        durable.flush(self._folder)
        logger.info("fetched bundle %.12s", digest)
        return Bundle.open(self._folder / digest)

    def _complete(self, partial: Path, digest: str) -> None:
        """Only what an interruption left stays where this fails."""
        try:
            partial.mkdir(exist_ok=True)
            self._download(partial, digest)
            _checked(partial, digest)
            for path in [*partial.iterdir(), partial]:
                durable.flush(path)
        except ServiceMissing:
            raise
        except DynaSplitError:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise DiskFull(
                f"bundle {digest:.12} cannot be kept in {self._folder}: {error.strerror}; free some of the disk"
            ) from error

    def _download(self, partial: Path, digest: str) -> None:
        manifest = self._manifest(partial / MANIFEST, digest)
        total = sum(artifact.bytes for artifact in manifest.artifacts) + (partial / MANIFEST).stat().st_size
        in_hand = [each for each, count in [*self._in_hand.items()] if count]
        needed = {*self._needed(), *self._held.keys(), *in_hand}
        self._room.make(self._folder, digest, total, needed=needed)
        for artifact in manifest.artifacts:
            path = partial / artifact.filename
            if not path.exists() or path.stat().st_size < artifact.bytes:
                self._source.download(f"artifacts/{artifact.sha256}", path, most_bytes=artifact.bytes)

    def _manifest(self, path: Path, digest: str) -> Manifest:
        """Small, so what is not all there is fetched anew."""
        if not path.exists() or _sha256(path) != digest:
            path.unlink(missing_ok=True)
            self._source.download(f"bundles/{digest}", path, most_bytes=_LARGEST_MANIFEST_BYTES)
        return _manifest_in(path)


def _missing(digest: str) -> NoReturn:
    raise ServiceMissing(f"bundle {digest:.12} is not on this device; it has to be fetched")


def _manifest_in(path: Path) -> Manifest:
    try:
        manifest = Manifest.from_json(parse_object(path.read_bytes(), what=MANIFEST))
    except BundleBroken:
        raise
    except InvalidInput as error:
        raise BundleBroken(f"the backend's bundle cannot be read: {error}") from error
    if bad := [item.sha256 for item in manifest.artifacts if not DIGEST.fullmatch(item.sha256)]:
        raise BundleBroken(f"the backend's bundle names an artifact {bad[0]!r:.80}, which is no sha256")
    return manifest


def _checked(folder: Path, digest: str) -> Bundle:
    bundle = Bundle.open(folder)
    if bundle.digest != digest:
        raise BundleBroken(f"bundle {digest:.12} has the content of {bundle.digest:.12}")
    return bundle


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
