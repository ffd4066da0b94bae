"""Answering with records: a page with a cursor, or all of them as a file, sent while they are read."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from flask import Response, jsonify, request
from werkzeug.exceptions import NotAcceptable

from cloud.api.cursors import after, cursor
from cloud.api.described import JSON, JSON_LINES
from cloud.api.record_queries import Format, RecordQuery
from cloud.exports.columns import Column
from cloud.exports.csv_text import csv_pieces
from cloud.exports.parquet import parquet_pieces
from cloud.services import services
from cloud.store.records.port import Kept, Selection
from cloud.watching.logs import REQUEST

logger = logging.getLogger(__name__)

Piece = TypeVar("Piece", str, bytes)
Read = Callable[[Selection, int | None], Iterator[Kept]]
Line = Callable[[Kept], Mapping[str, Any]]

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
_FORMATS = {JSON_LINES: Format.JSON_LINES, JSON: Format.JSON, CSV: Format.CSV, PARQUET: Format.PARQUET}
_PAGE, _MOST_PAGE = 100, 1000


@dataclass(frozen=True)
class Records:
    """One kind of records: its name, the columns of a table of them, and how one is written in JSON, in lines and in pages."""

    kind: str
    columns: Sequence[Column]
    line: Line
    item: Line


def answered_as(page: type) -> dict[str, Any]:
    """The media types of an answer with records, for its description."""
    return {JSON: page, JSON_LINES: bytes, CSV: bytes, PARQUET: bytes}


def answer(records: Records, query: RecordQuery, selection: Selection, read: Read) -> Response:
    """The records in the format that is asked for. NotAcceptable for a header Accept that takes none of ours."""
    if query.cursor is not None:
        selection = after(records.kind, selection, query.cursor)
    form = query.format or _accepted()
    if form is Format.JSON:
        return _page(records, selection, read, limit=min(query.limit or _PAGE, _MOST_PAGE))
    found = _first_read(read(selection, query.limit))
    if form is Format.JSON_LINES:
        return _sent((_json_line(records.line(record)) for record in found), JSON_LINES)
    if form is Format.CSV:
        return _file(csv_pieces(records.columns, found), CSV, f"{records.kind}.csv")
    return _file(parquet_pieces(records.columns, found), PARQUET, f"{records.kind}.parquet")


def json_lines(contents: Iterator[Mapping[str, Any]]) -> Response:
    """One object per line, sent while they are read. The first is read at once, so that a store that is away still answers 503."""
    first = next(contents, None)
    found = iter(()) if first is None else itertools.chain((first,), contents)
    return _sent((_json_line(content) for content in found), JSON_LINES)


def _accepted() -> Format:
    if not request.accept_mimetypes:
        return Format.JSON_LINES
    best = request.accept_mimetypes.best_match(_FORMATS)
    if best is None:
        raise NotAcceptable(f"records are sent as {', '.join(_FORMATS)}, not as {request.accept_mimetypes!s:.100}")
    return _FORMATS[best]


def _page(records: Records, selection: Selection, read: Read, *, limit: int) -> Response:
    found = list(read(selection, limit + 1))
    more = len(found) > limit
    following = cursor(records.kind, selection, found[limit - 1].position) if more else None
    response = jsonify({"items": [records.item(record) for record in found[:limit]], "next": following})
    if following is not None:
        given = request.args.to_dict()
        response.headers["Link"] = f'<{_url({**given, "cursor": following})}>; rel="next"'
    return response


def _url(query: Mapping[str, str]) -> str:
    return f"{quote(request.path)}?{urlencode(query)}"


def _first_read(records: Iterator[Kept]) -> Iterator[Kept]:
    """The first is read at once, so that a store that is away still answers 503."""
    first = next(records, None)
    return iter(()) if first is None else itertools.chain((first,), records)


def _told(pieces: Iterator[Piece], *, path: str, request_id: str) -> Iterator[Piece]:
    """The pieces of an answer; what breaks it off is logged: its status, which cannot say so any more, is sent."""
    try:
        yield from pieces
    except Exception:
        REQUEST.set(request_id)  # pieces are made after the request's end
        logger.exception("%s: the answer broke off", path)
        REQUEST.set("")
        raise


def _json_line(content: Mapping[str, Any]) -> str:
    """ASCII only: half a surrogate pair in a device's text must not end the whole list."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"


def _file(pieces: Iterator[bytes], media_type: str, name: str) -> Response:
    response = _sent(pieces, media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _sent(pieces: Iterator[Piece], media_type: str) -> Response:
    """Piece by piece, as fast as it is read; Busy while too many others read so."""
    told = _told(pieces, path=request.path, request_id=REQUEST.get())
    return services().downloads.counted(Response(told, mimetype=media_type))
