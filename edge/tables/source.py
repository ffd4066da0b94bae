"""Where bundles come from: the port, and the backend."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import urllib3

from protocol.errors import BundleBroken, NotFound, ServiceMissing

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20
_TIMEOUT = urllib3.Timeout(connect=5, read=30)


class Source(Protocol):
    """Where bundles come from. May be called from any thread."""

    def download(self, path: str, destination: Path, *, most_bytes: int) -> None:
        """Writes the content of a path such as `bundles/<digest>` or `artifacts/<sha256>` into a file.

        What an earlier attempt left in the file is taken for the content's beginning, and gone on with where the source
        can; otherwise the file is begun anew. Raises NotFound when the source does not have it, ServiceMissing when
        it cannot be reached or breaks off: what came until then stays in the file. BundleBroken for more than `most_bytes`.
        """
        ...


class HttpSource:
    """The backend's `/api/v1`, whose content never changes under a path. Goes on by Range (RFC 9110, section 14).

    `ca`: a file of PEM certificates that alone are trusted for `https`.
    """

    def __init__(self, backend_url: str, *, token: str, ca: Path | None = None) -> None:
        self._base = f"{backend_url.rstrip('/')}/api/v1/"
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        self._pool = urllib3.PoolManager(
            headers=headers, retries=False, timeout=_TIMEOUT, ca_certs=None if ca is None else str(ca)
        )

    def download(self, path: str, destination: Path, *, most_bytes: int) -> None:
        url = self._base + path
        try:
            there = destination.stat().st_size if destination.exists() else 0
            response = self._asked(url, there)
            if response.status == 416:  # what is here is no beginning of it
                response.close()
                response = self._asked(url, 0)
            _keep(response, url, destination, there=there, most_bytes=most_bytes)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceMissing(f"{url} cannot be fetched: {error}; is the backend running?") from error

    def close(self) -> None:
        self._pool.clear()

    def _asked(self, url: str, there: int) -> urllib3.BaseHTTPResponse:
        """The response's head. If-Range: should the content be another after all, all of it comes."""
        etag = url.rpartition("/")[2]
        wanted = {"Range": f"bytes={there}-", "If-Range": f'"{etag}"'} if there else {}
        return self._pool.request("GET", url, headers={**self._pool.headers, **wanted}, preload_content=False)


def _keep(response: urllib3.BaseHTTPResponse, url: str, destination: Path, *, there: int, most_bytes: int) -> None:
    try:
        _check_status(response, url)
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {there}-")
        if response.status == 206 and not goes_on:
            raise ServiceMissing(f"{url} answered another range than asked for; check what stands before the backend")
        size = there if goes_on else 0
        with destination.open("ab" if goes_on else "wb") as file:
            for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
                size += len(chunk)
                if size > most_bytes:
                    raise BundleBroken(f"{url} is larger than {most_bytes} bytes, which is all that it may be")
                file.write(chunk)
    except BaseException:
        response.close()
        raise
    response.release_conn()


def _check_status(response: urllib3.BaseHTTPResponse, url: str) -> None:
    if response.status == 404:
        raise NotFound(f"{url} does not exist; was the bundle pushed?")
    if response.status not in (200, 206):
        raise ServiceMissing(f"{url} answered {response.status}; check the backend and the device's token")
