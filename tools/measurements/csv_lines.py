"""CSV files line by line: what cannot be read is refused with the file, the line and the reason."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import InvalidInput
from tools.output import read_text

LARGEST = 1e9
"""No figure of time in ms or energy in J comes near it: 11 days, 280 kWh."""


@dataclass(frozen=True)
class Line:
    """One line of a CSV file by column. `where` is its place; `fault` what is wrong with the line as a whole, or ""."""

    where: str
    fields: Mapping[str, str]
    fault: str = ""

    def number(self, column: str) -> float:
        """A finite figure of 0 or more; InvalidInput names the column otherwise."""
        try:
            value = float(self.fields[column])
        except ValueError as error:
            raise InvalidInput(f"{column} must be a number, not {self.fields[column]!r:.40}") from error
        if not math.isfinite(value):
            raise InvalidInput(f"{column} must be a finite number, not {value}")
        if value < 0:
            raise InvalidInput(f"{column} must be 0 or more, not {value:g}")
        if value > LARGEST:
            raise InvalidInput(f"{column} is {value:g}, which is too large to be true")
        return value

    def whole(self, column: str) -> int:
        """A whole number of 0 or more."""
        value = self.number(column)
        if value != int(value):
            raise InvalidInput(f"{column} must be a whole number, not {value:g}")
        return int(value)


def columns_of(text: str) -> list[str]:
    """The names in the first line, none where it is not CSV."""
    try:
        return [name.strip() for name in next(csv.reader(io.StringIO(text.partition("\n")[0])), [])]
    except csv.Error:
        return []


def read_lines(path: Path, *, columns: Collection[str], what: str) -> list[Line]:
    """All lines behind the header, blank ones left out.

    InvalidInput where the file cannot be read, lacks one of the columns, names one twice, or holds no line.
    """
    text = read_text(path, what=what).removeprefix("\ufeff")
    header = columns_of(text)
    if missing := [name for name in columns if name not in header]:
        raise InvalidInput(f"{path}:1: the column '{missing[0]}' is missing; {what} need {', '.join(columns)}")
    if len(set(header)) < len(header):
        raise InvalidInput(f"{path}:1: a column is there twice: {', '.join(header)}")
    lines = list(_behind_header(path, text, header))
    if not lines:
        raise InvalidInput(f"{path} holds a header, but no {what}")
    return lines


def _behind_header(path: Path, text: str, header: list[str]) -> Iterator[Line]:
    """Line by line, so that a quote that nobody closes spoils one line only."""
    for number, line in enumerate(text.split("\n")[1:], start=2):
        if line.strip():
            yield _line(f"{path}:{number}", line, header)


def _line(where: str, text: str, header: list[str]) -> Line:
    try:
        fields = next(csv.reader([text]))
    except csv.Error as error:
        return Line(where, {}, fault=f"it is not CSV: {error}")
    if len(fields) != len(header):
        return Line(where, {}, fault=f"it has {len(fields)} fields, not {len(header)}; was it cut short?")
    return Line(where, {name: field.strip() for name, field in zip(header, fields, strict=True)})
