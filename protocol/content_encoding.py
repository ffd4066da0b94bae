"""Bodies of HTTP messages and how they are compressed (RFC 9110, section 8.4; zstd: RFC 8878)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import TypeVar

import zstandard

from protocol.errors import InvalidInput, TooLarge

CONTENT_ENCODING = "Content-Encoding"
MAX_BODY_BYTES = 256 * 1024 * 1024
_ZSTD_LEVEL = 1
_ZSTD_WINDOW_BYTES = 2**27
_ZSTD_PIECE_BYTES = 512
"""Of a bomb; each unpacks to some 16 MiB at most."""
_TRUNCATED = "the compressed body is truncated"
_ZLIB_LEVEL = 1
_WINDOWS = {"gzip": 31, "deflate": 15}
"""What zlib calls the frame of each."""

_NEVER = re.compile(r"q\s*=\s*0(\.0{0,3})?")

Body = bytes | memoryview
Content = TypeVar("Content", bytes, bytearray, Body)


def compress_zstd(body: bytes) -> bytes:
    """One frame at level 1, which says how large its content is."""
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)


def compressed_as_accepted(body: bytes, accepted: str) -> tuple[bytes, str]:
    """The body in the encoding that `encoding_for` names, and that name; as it is where there is none."""
    name = encoding_for(accepted)
    if not name:
        return body, ""
    packer = zlib.compressobj(_ZLIB_LEVEL, wbits=_WINDOWS[name])
    return packer.compress(body) + packer.flush(), name


def encoding_for(accepted: str) -> str:
    """The first encoding of an `Accept-Encoding` that we write (gzip, deflate); '' for none.

    Who weighs them (`q=`) is asking for something else than the clients of the protocol do: only `q=0` is understood.
    """
    for item in accepted.lower().split(",") if accepted else ():
        name, _, weight = (part.strip() for part in item.partition(";"))
        if name in _WINDOWS and not _NEVER.fullmatch(weight):
            return name
    return ""


def decompress(headers: Mapping[str, str], body: Body, *, limit_bytes: int = MAX_BODY_BYTES) -> Body:
    """The body after `Content-Encoding` (gzip, deflate, zstd or identity), never more than `limit_bytes` of it."""
    encoding = header(headers, CONTENT_ENCODING, "identity").strip().lower()
    if encoding in ("identity", ""):
        return _limited(body, limit_bytes)
    if encoding == "zstd":
        return _from_zstd(body, limit_bytes)
    if encoding in _WINDOWS:
        return _from_zlib(body, limit_bytes, window=_WINDOWS[encoding])
    raise InvalidInput(f"Content-Encoding {encoding!r:.40} is not one of identity, gzip, deflate, zstd")


def _from_zstd(body: Body, limit_bytes: int) -> bytes:
    try:
        declared = zstandard.get_frame_parameters(body).content_size
        if declared != zstandard.CONTENTSIZE_UNKNOWN and declared > limit_bytes:
            raise TooLarge(f"the body unpacks to {declared} bytes; the limit is {limit_bytes}")
        if declared != zstandard.CONTENTSIZE_UNKNOWN:
            return _unzstd().decompress(body, allow_extra_data=False)
        return _streamed(body, limit_bytes)
    except zstandard.ZstdError as error:
        raise InvalidInput(f"the body is not one frame of valid zstd: {error}") from error


def _streamed(body: Body, limit_bytes: int) -> bytes:
    """A frame that does not say how large it is: read piece by piece, so that the limit bounds the memory too."""
    content, decoder = bytearray(), _unzstd().decompressobj()
    for start in range(0, len(body), _ZSTD_PIECE_BYTES):
        content += decoder.decompress(body[start : start + _ZSTD_PIECE_BYTES])
        _limited(content, limit_bytes)
        if decoder.eof:
            _check_end(len(decoder.unused_data) + max(0, len(body) - start - _ZSTD_PIECE_BYTES))
            return bytes(content)
    raise InvalidInput(_TRUNCATED)


def _unzstd() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)


def _from_zlib(body: Body, limit_bytes: int, *, window: int) -> bytes:
    decoder = zlib.decompressobj(window)
    try:
        content = decoder.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise InvalidInput(f"the body cannot be decompressed: {error}") from error
    _limited(content, limit_bytes)
    if not decoder.eof:
        raise InvalidInput(_TRUNCATED)
    _check_end(len(decoder.unused_data))
    return content


def _check_end(surplus_bytes: int) -> None:
    """Nobody who speaks the protocol sends several frames; what follows the first must not be lost silently."""
    if surplus_bytes:
        raise InvalidInput(f"{surplus_bytes} bytes follow the first compressed frame of the body; send it as one")


def _limited(content: Content, limit_bytes: int) -> Content:
    if len(content) > limit_bytes:
        raise TooLarge(f"the body is larger than the limit of {limit_bytes} bytes")
    return content


def header(headers: Mapping[str, str], name: str, fallback: str) -> str:
    """A header by name, whatever its case."""
    if name in headers:
        return headers[name]
    for key, value in headers.items():
        if key.lower() == name.lower():
            return value
    return fallback
