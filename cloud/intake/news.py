"""News: what a device says of itself, of its tables and of its jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TypeVar

from cloud.store.dead_letters.port import DeadLetter, letter_of_message
from protocol import topics
from protocol.errors import InvalidInput
from protocol.jobs import JobReport
from protocol.messages import TableReport
from protocol.presence import Availability

_MOST_REASON = 2000
_DIGEST = re.compile(r"[0-9a-f]{64}|")
"""A device that cannot read its desired table reports on an empty one."""
_Report = TypeVar("_Report", TableReport, JobReport)


@dataclass(frozen=True)
class PresenceNews:
    """A device came, went or was stopped."""

    device: str
    availability: Availability
    at: float

    def letter(self, *, reason: str) -> DeadLetter:
        """What it becomes where the store refuses it."""
        return _letter(self, topics.availability(self.device), self.availability.to_bytes(), reason)


@dataclass(frozen=True)
class TableNews:
    """A device said what it did with a table."""

    device: str
    report: TableReport
    at: float

    def letter(self, *, reason: str) -> DeadLetter:
        """What it becomes where the store refuses it."""
        return _letter(self, topics.reported(self.device, self.report.network), self.report.to_bytes(), reason)


@dataclass(frozen=True)
class JobNews:
    """A device said how far a job is."""

    device: str
    report: JobReport
    at: float

    def letter(self, *, reason: str) -> DeadLetter:
        """What it becomes where the store refuses it."""
        return _letter(self, topics.job_reported(self.device), self.report.to_bytes(), reason)


News = PresenceNews | TableNews | JobNews


def read_presence(topic: str, payload: bytes, *, received_at: float) -> PresenceNews:
    """A device's availability from its message; InvalidInput when it is none."""
    return PresenceNews(topics.device_of(topic), Availability.from_bytes(payload), received_at)


def read_report(topic: str, payload: bytes, *, received_at: float) -> TableNews:
    """What a device did with a table, its reason cut; InvalidInput for what is no report on its topic's network."""
    report = TableReport.from_bytes(payload)
    if report.network != topics.network_of(topic):
        raise InvalidInput(f"the report is about {report.network!r:.64}, not about its topic's network")
    for digest in (report.digest, report.failed):
        if not _DIGEST.fullmatch(digest):
            raise InvalidInput(f"a digest in a report must be 64 lower-case hexadecimal digits, not {digest!r:.70}")
    return TableNews(topics.device_of(topic), _shortened(report), received_at)


def read_job_news(topic: str, payload: bytes, *, received_at: float) -> JobNews:
    """How far a job is, its reason cut; InvalidInput for what is no such report."""
    report = JobReport.from_bytes(payload)
    return JobNews(topics.device_of(topic), _shortened(report), received_at)


def _letter(news: News, topic: str, payload: bytes, reason: str) -> DeadLetter:
    return letter_of_message(topic, payload, device=news.device, reason=reason, received_at=news.at)


def _shortened(report: _Report) -> _Report:
    return replace(report, reason=report.reason[:_MOST_REASON])
