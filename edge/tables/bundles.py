"""Bundles on the device: those that are here, and fetching those that are not."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Protocol

import urllib3

from models.bundle import MANIFEST, Bundle
from models.manifest import Manifest
from protocol.documents import parse_object
from protocol.errors import BundleBroken, InvalidInput, NotFound, ServiceMissing

logger = logging.getLogger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PARTIAL = ".partial-"
_CHUNK_BYTES = 1 << 20
_TIMEOUT = urllib3.Timeout(connect=5, read=30)


class Source(Protocol):
    """Where bundles come from. May be called from any thread."""

    def download(self, path: str, destination: Path) -> None:
        """Writes the content of a path such as `bundles/<digest>` or `artifacts/<sha256>` into a new file.

        Raises NotFound when the source does not have it, ServiceMissing when it cannot be reached or breaks off.
        """
        ...


class HttpSource:
    """The backend's `/api/v1`."""

    def __init__(self, backend_url: str, *, token: str) -> None:
        self._base = f"{backend_url.rstrip('/')}/api/v1/"
        self._pool = urllib3.PoolManager(headers={"Authorization": f"Bearer {token}"}, retries=False, timeout=_TIMEOUT)

    def download(self, path: str, destination: Path) -> None:
        url = self._base + path
        try:
            response = self._pool.request("GET", url, preload_content=False)
            try:
                _check_status(response, url)
                with destination.open("xb") as file:
                    for chunk in response.stream(_CHUNK_BYTES):
                        file.write(chunk)
            finally:
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise ServiceMissing(f"{url} cannot be fetched: {error}; is the backend running?") from error

    def close(self) -> None:
        self._pool.clear()


def _check_status(response: urllib3.BaseHTTPResponse, url: str) -> None:
    if response.status == 404:
        raise NotFound(f"{url} does not exist; was the bundle pushed?")
    if response.status != 200:
        raise ServiceMissing(f"{url} answered {response.status}; check the backend and the device's token")


class BundleStore:
    """Bundles by digest in `<folder>/<digest>`, each whole or not there. All methods may be called from any thread."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder = folder
        self._source = source
        self._fetching = threading.Lock()
        self._open: dict[str, Bundle] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def get(self, digest: str) -> Bundle:
        """The bundle that is here or can be fetched; its files are checked the first time.

        Raises InvalidInput for what is no digest, BundleBroken when the source's files do not match it, NotFound and
        ServiceMissing as the source.
        """
        if not _DIGEST.fullmatch(digest):
            raise InvalidInput(f"a bundle's digest is 64 hexadecimal digits, not {digest!r:.80}")
        with self._fetching:
            if digest not in self._open:
                self._open[digest] = self._present(digest) or self._fetched(digest)
            return self._open[digest]

    def _present(self, digest: str) -> Bundle | None:
        folder = self._folder / digest
        if not folder.exists():
            return None
        try:
            return _checked(folder, digest)
        except BundleBroken as error:
            logger.warning("bundle %.12s on this device is damaged, fetching it again: %s", digest, error)
            shutil.rmtree(folder)
            return None

    def _fetched(self, digest: str) -> Bundle:
        """Fetched into a folder beside its place, checked there, flushed and renamed: never half-written."""
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._folder))
        try:
            self._source.download(f"bundles/{digest}", partial / MANIFEST)
            for sha256, filename in _artifacts(partial / MANIFEST):
                self._source.download(f"artifacts/{sha256}", partial / filename)
            _checked(partial, digest)
            for path in [*partial.iterdir(), partial]:
                _flush(path)
            partial.rename(self._folder / digest)
            _flush(self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        logger.info("fetched bundle %.12s", digest)
        return Bundle.open(self._folder / digest)


def _artifacts(path: Path) -> list[tuple[str, str]]:
    try:
        manifest = Manifest.from_json(parse_object(path.read_bytes(), what=MANIFEST))
    except BundleBroken:
        raise
    except InvalidInput as error:
        raise BundleBroken(f"the backend's bundle cannot be read: {error}") from error
    if bad := [item.sha256 for item in manifest.artifacts if not _DIGEST.fullmatch(item.sha256)]:
        raise BundleBroken(f"the backend's bundle names an artifact {bad[0]!r:.80}, which is no sha256")
    return [(item.sha256, item.filename) for item in manifest.artifacts]


def _checked(folder: Path, digest: str) -> Bundle:
    bundle = Bundle.open(folder)
    if bundle.digest != digest:
        raise BundleBroken(f"bundle {digest:.12} has the content of {bundle.digest:.12}")
    return bundle


def _flush(path: Path) -> None:
    """Onto the card (fsync), file or folder, before anything refers to it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
