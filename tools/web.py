"""HTTP to a backend or an agent: errors become the project's own, in one line."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3

from protocol.documents import parse_object
from protocol.errors import (
    Conflict,
    DeadlineHopeless,
    DynaSplitError,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Overloaded,
    ServiceMissing,
    TooLarge,
    TryLater,
)
from tools.unix_socket import UNIX, UnixPool

_BY_STATUS: Mapping[int, type[DynaSplitError]] = {
    kind.http_status: kind
    for kind in (InvalidInput, NotAuthenticated, NotAllowed, NotFound, Conflict, TooLarge, Overloaded, ServiceMissing)
}


_PIECE_BYTES = 1 << 16
_KEPT_CONNECTIONS = 8


class NotTrusted(DynaSplitError, ConnectionError):
    """The server's certificate was signed by nobody who is trusted here, or for another name."""

    exit_code = 2


def quoted(name: str) -> str:
    """A name as one piece of a path: slashes and dots cannot lead elsewhere."""
    return urllib.parse.quote(name, safe="")


_HINTS = {401: ": it does not know this token", 403: ": this token may not do that"}
"""For answers without a body, as to HEAD."""


class Web:
    """One server, with keep-alive connections and a bearer token. Safe to share between threads.

    `url`: `http://…`, `https://…`, or `unix:PATH` for a socket on this machine.
    `ca_file`: PEM, the only authorities that are trusted (None: the system's). `token_hint`: which token it takes and how
    it is given, for whoever is refused for theirs ("": the operator's, with --token).
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        name: str = "server",
        timeout_s: float = 60.0,
        ca_file: Path | None = None,
        token_hint: str = "",
    ) -> None:
        if re.match(r"[^/]*//[^/]*@", url):
            raise InvalidInput(
                f"{name} address: it holds a name or a password, which are not sent; give a --token instead"
            )
        if not url.startswith(("http://", "https://", UNIX)):
            raise InvalidInput(f"{name} address {url!r:.100} must start with http://, https:// or {UNIX}")
        if not (token.isascii() and token.isprintable()):
            raise InvalidInput(f"the token for {name} {url} holds characters that no token has; copy it again")
        self.url = url.rstrip("/")
        self._name = name
        self._token_hint = token_hint
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._base, self._pool = _connections(self.url, name=name, timeout_s=timeout_s, ca_file=ca_file)

    def close(self) -> None:
        """Ends the connections."""
        self._pool.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        whole: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        """One request; without `whole`, the body is still to be read. ServiceMissing when nobody answers; the error that
        fits the status otherwise."""
        try:
            response = self._pool.request(
                method,
                self._base + path,
                body=body,
                headers={**self._headers, **(headers or {})},
                preload_content=whole,
            )
            if response.status == NotAuthenticated.http_status and not (self._headers or self._token_hint):
                raise NotAuthenticated(f"{self._name} {self.url} wants its operator's token: give it with --token")
            if response.status >= 400:
                raise self._hinted(_error(response, f"{self._name} {self.url}{path}"))
        except urllib3.exceptions.HTTPError as error:
            raise self._away(error) from error
        return response

    def get(self, path: str) -> dict[str, Any]:
        """A JSON object."""
        return self._object(self.call("GET", path), path)

    def items(self, path: str) -> list[dict[str, Any]]:
        """A JSON list of objects."""
        response = self.call("GET", path)
        try:
            content = json.loads(response.data)
        except ValueError:
            content = None
        if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
            raise InvalidInput(f"{self._name} {self.url}{path} did not answer with a list; is it ours?")
        return content

    def send(self, method: str, path: str, content: Any) -> dict[str, Any]:
        """Sends JSON, returns a JSON object."""
        body = json.dumps(content).encode()
        return self._object(self.call(method, path, body=body, headers={"Content-Type": "application/json"}), path)

    def lines(self, path: str) -> Iterator[dict[str, Any]]:
        """JSON lines, read while they come. ServiceMissing where they break off before their end."""
        response = self.call("GET", path, whole=False)
        return (
            parse_object(line, what=f"{self._name} {self.url}{path}") for line in self._pieces(response) if line.strip()
        )

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The lines of a body, of which no more than one and a piece are in memory."""
        begun = b""
        try:
            for piece in response.stream(_PIECE_BYTES):
                *lines, begun = (begun + piece).split(b"\n")
                yield from lines
        except urllib3.exceptions.HTTPError as error:
            raise self._away(error) from error
        finally:
            response.close()
        yield begun

    def _hinted(self, error: DynaSplitError) -> DynaSplitError:
        refused = self._token_hint and isinstance(error, NotAuthenticated | NotAllowed)
        return type(error)(f"{error}; {self._token_hint}") if refused else error

    def _away(self, error: urllib3.exceptions.HTTPError) -> DynaSplitError:
        if isinstance(error, urllib3.exceptions.SSLError):
            return NotTrusted(
                f"{self._name} {self.url} cannot be trusted: {_reason(error)}; name the authority that signed its certificate"
            )
        return ServiceMissing(f"{self._name} {self.url} does not answer: is it running? ({_reason(error)})")

    def _object(self, response: urllib3.BaseHTTPResponse, path: str) -> dict[str, Any]:
        return parse_object(response.data or b"{}", what=f"the answer of {self._name} {self.url}{path}")


def _connections(
    url: str, *, name: str, timeout_s: float, ca_file: Path | None
) -> tuple[str, urllib3.HTTPConnectionPool]:
    """What comes before each path, and the connections to whom the address names."""
    if url.startswith(UNIX):
        return "", UnixPool(url.removeprefix(UNIX), timeout_s=timeout_s)
    trusted = {"ca_certs": str(ca_file)} if ca_file and url.startswith("https") else {}
    try:
        pool = urllib3.connection_from_url(url, maxsize=_KEPT_CONNECTIONS, timeout=timeout_s, retries=False, **trusted)
        return urllib3.util.parse_url(url).path or "", pool
    except urllib3.exceptions.HTTPError as error:
        raise InvalidInput(f"{name} address {url!r:.100} cannot be read: {error}") from error


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """What lies at the bottom of it, without the library's wrapping."""
    cause: BaseException = error
    while cause.args and isinstance(cause.args[-1], BaseException):
        cause = cause.args[-1]
    return str(cause).rpartition(": ")[2] or type(cause).__name__


def _error(response: urllib3.BaseHTTPResponse, where: str) -> DynaSplitError:
    try:
        message = str(json.loads(response.data)["error"])
    except (ValueError, LookupError, TypeError):
        message = f"{where} answered {response.status}{_HINTS.get(response.status, ' without saying why')}"
    hopeless = response.status == DeadlineHopeless.http_status and "deadline" in message
    kind = DeadlineHopeless if hopeless else _BY_STATUS.get(response.status, ServiceMissing)
    error = kind(message)
    if isinstance(error, TryLater) and (after_s := response.headers.get("Retry-After", "")).isdigit():
        error.retry_after_s = float(after_s)
    return error
