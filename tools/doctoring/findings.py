"""What a check found, how grave it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

WELL_CODE, WARNINGS_CODE, ERRORS_CODE = 0, 1, 4

_LONGEST = 500
"""Characters of a line."""


class Severity(IntEnum):
    """WARNING: it serves, but not as well as it could. ERROR: it cannot serve, or not what it is meant to."""

    WELL = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was seen, and what mends it ("" where nothing needs to be mended)."""

    subject: str
    severity: Severity
    seen: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "severity": self.severity.name.lower(),
            "seen": self.seen,
            "advice": self.advice,
        }


def well(subject: str, seen: str) -> Finding:
    return Finding(subject, Severity.WELL, _line(seen))


def warning(subject: str, seen: str, advice: str) -> Finding:
    return Finding(subject, Severity.WARNING, _line(seen), _line(advice))


def error(subject: str, seen: str, advice: str) -> Finding:
    return Finding(subject, Severity.ERROR, _line(seen), _line(advice))


def _line(text: str) -> str:
    """One line that any terminal can show: what the kernel or a program said may hold anything."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_LONGEST]


def exit_code(findings: Iterable[Finding]) -> int:
    """0 where all is well, 1 with warnings, 4 with errors."""
    worst = max((finding.severity for finding in findings), default=Severity.WELL)
    return {Severity.WELL: WELL_CODE, Severity.WARNING: WARNINGS_CODE, Severity.ERROR: ERRORS_CODE}[worst]
