"""Bundles on disk, by content: artifacts under their sha256, bundles under their digest."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ClassVar

from cloud.waiting import about_to_wait
from models.bundle import MANIFEST, Bundle
from models.manifest import Manifest
from protocol import topics
from protocol.documents import canonical_bytes, parse_object
from protocol.errors import BundleBroken, Conflict, InvalidInput, NotFound, ServiceMissing

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_FILENAME_BYTES = 255
_FULL = (errno.ENOSPC, errno.EDQUOT)


class StoreFull(ServiceMissing):
    """The disk of the store, or the share of it that is ours, is full: room may come."""

    http_status: ClassVar[int] = 507


class BundleFiles:
    """A folder with `artifacts/<sha256>` and `bundles/<digest>/`, where the artifacts are hard links. Thread-safe.

    Files are written beside their place and renamed, so that several processes on one folder never see half of one.
    """

    def __init__(self, folder: Path) -> None:
        self._artifacts = folder / "artifacts"
        self._bundles = folder / "bundles"
        self._lock = threading.Lock()
        self._manifests: dict[str, Manifest] = {}

    def artifact(self, sha256: str) -> Path:
        """The file with this content; NotFound when it is not here."""
        path = self._artifacts / check_digest(sha256, what="artifact")
        if not path.is_file():
            raise NotFound(f"artifact {sha256:.12} is not here; upload it with PUT")
        return path

    def put_artifact(self, sha256: str, chunks: Iterable[bytes]) -> bool:
        """Keeps an artifact; False when it was here already.

        BundleBroken when the content is not what its name says; StoreFull when the disk has no room for it.
        """
        check_digest(sha256, what="artifact")
        with _room_for(f"artifact {sha256:.12}", self._artifacts), _temporary_file(self._artifacts) as temporary:
            found = _copy(chunks, temporary.file)
            if found != sha256:
                raise BundleBroken(f"the artifact has sha256 {found:.12}, not {sha256:.12}: send it again")
            return temporary.becomes(self._artifacts / sha256)

    def put_bundle(self, digest: str, content: bytes) -> Manifest:
        """Makes a bundle from its `bundle.json`.

        Its artifacts must be here already, else Conflict with their names; StoreFull when the disk has no room for it.
        """
        manifest = _checked_manifest(check_digest(digest, what="bundle"), content)
        missing = [item for item in manifest.artifacts if not (self._artifacts / item.sha256).is_file()]
        if missing:
            names = ", ".join(f"{item.filename} ({item.sha256})" for item in missing)
            raise Conflict(f"bundle {digest:.12}: upload its artifacts first; missing: {names}")
        with _room_for(f"bundle {digest:.12}", self._bundles):
            self._assemble(digest, manifest, content)
        return manifest

    def manifest(self, digest: str) -> Manifest:
        """What the bundle says of itself; NotFound when it is not here."""
        with self._lock:
            if known := self._manifests.get(digest):
                return known
        manifest = Manifest.from_json(parse_object(self.content(digest), what=f"bundle {digest:.12}"))
        with self._lock:
            self._manifests[digest] = manifest
        return manifest

    def content(self, digest: str) -> bytes:
        """The bytes of `bundle.json`; NotFound when the bundle is not here."""
        about_to_wait()
        try:
            return (self._bundles / check_digest(digest, what="bundle") / MANIFEST).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"bundle {digest:.12} is not here; upload it with PUT") from error

    def holds(self, digest: str) -> bool:
        """Whether the bundle and all of its files are here; what is in them is looked at when it is opened."""
        try:
            artifacts = self.manifest(digest).artifacts
        except (NotFound, InvalidInput):
            return False
        return all((self._bundles / digest / item.filename).is_file() for item in artifacts)

    def open(self, digest: str) -> Bundle:
        """The bundle, its files checked; NotFound when it is not here, BundleBroken when the disk damaged it."""
        self.content(digest)
        return Bundle.open(self._bundles / digest)

    def remove(self, digest: str) -> None:
        """Deletes a bundle and those of its artifacts that no other has; what is not here is gone already."""
        try:
            manifest = self.manifest(digest)
        except NotFound:
            return
        with self._lock:
            self._manifests.pop(digest, None)
        # Out of the way at once: another process must not see half of it.
        leaving = Path(tempfile.mkdtemp(prefix=".old-", dir=self._bundles))
        (self._bundles / digest).rename(leaving / digest)
        shutil.rmtree(leaving, ignore_errors=True)
        for item in manifest.artifacts:
            path = self._artifacts / item.sha256
            if path.is_file() and path.stat().st_nlink == 1:
                path.unlink(missing_ok=True)

    def _assemble(self, digest: str, manifest: Manifest, content: bytes) -> None:
        place = self._bundles / digest
        if place.exists():
            return
        self._bundles.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=self._bundles))
        try:
            for item in manifest.artifacts:
                os.link(self._artifacts / item.sha256, temporary / item.filename)
            (temporary / MANIFEST).write_bytes(content)
            temporary.chmod(0o755)
            temporary.rename(place)
        except OSError:
            if not place.exists():  # another process was first otherwise
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


class _TemporaryFile:
    """A file that is removed again unless it `becomes` something."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self.file = file

    def __enter__(self) -> _TemporaryFile:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what a full disk did not take; what `becomes` something was written before
            self.file.close()
        self._path.unlink(missing_ok=True)

    def becomes(self, place: Path) -> bool:
        """Puts the file, safe on disk, in its place; False when there is one already."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self._path.chmod(0o644)
        try:
            os.link(self._path, place)
        except FileExistsError:
            return False
        return True


def _temporary_file(folder: Path) -> _TemporaryFile:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=folder)
    return _TemporaryFile(Path(name), os.fdopen(descriptor, "wb"))


@contextmanager
def _room_for(what: str, folder: Path) -> Iterator[None]:
    """Tells of a full disk as StoreFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StoreFull(
            f"the store has no room for {what}: free some of the disk of {folder}, or delete bundles that nothing uses"
        ) from error


def _copy(chunks: Iterable[bytes], file: BinaryIO) -> str:
    """Writes the chunks; their sha256."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        file.write(chunk)
    return digest.hexdigest()


def _checked_manifest(digest: str, content: bytes) -> Manifest:
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise BundleBroken(f"bundle.json has sha256 {found:.12}, not {digest:.12}: send the file byte for byte")
    document = parse_object(content, what="bundle.json")
    if canonical_bytes(document) != content:
        raise InvalidInput("bundle.json is not in canonical form (sorted keys, no spaces); make it with dynasplit cut")
    manifest = Manifest.from_json(document, what="bundle.json")
    topics.check_name(manifest.network, what="network")
    for item in manifest.artifacts:
        check_digest(item.sha256, what=f"artifact {item.filename:.80}")
        if len(os.fsencode(item.filename)) > _MOST_FILENAME_BYTES:
            raise InvalidInput(
                f"artifact {item.filename:.80}…: a filename may have {_MOST_FILENAME_BYTES} bytes, no more; shorten it"
            )
    if len({item.filename for item in manifest.artifacts} | {MANIFEST}) != len(manifest.artifacts) + 1:
        raise InvalidInput("bundle.json: two artifacts have the same filename")
    return manifest


def check_digest(digest: str, *, what: str) -> str:
    """`digest` when it is a sha256 in lower-case hexadecimal; InvalidInput otherwise."""
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(f"{what} {digest!r:.80} must be a sha256: 64 digits 0-9, a-f")
    return digest
