"""Jobs: what an operator has a device do beside serving, and what the device says became of it.

The backend publishes on `job`, retained, all jobs of a device that are not finished, oldest first (`JobList`), so that a
device that was off finds them when it comes back. The device works them off one after the other and tells each change of
state on `job/reported`; a report that got lost is told again after the next connect, and a repeat changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from protocol import documents
from protocol.configuration import choose
from protocol.documents import canonical_bytes, check_schema, parse_object
from protocol.errors import InvalidInput
from protocol.topics import check_name

SCHEMA = 1
_LONGEST_S = 7 * 86_400.0


class JobKind(StrEnum):
    """What a job does. `push` has the device look at a network's desired table again, whatever it thought of it before."""

    PROFILE = "profile"
    PUSH = "push"
    RESTART = "restart"


class JobState(StrEnum):
    """Where a job is. The last four are final."""

    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    CANCELED = "CANCELED"

    @property
    def final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.IN_PROGRESS)


@dataclass(frozen=True)
class Job:
    """One job. `timeout_s` counts from its start on the device. `cancel`: the operator does not want it any more.

    What `parameters` say is told in `protocol.job_orders`; those of `restart` say nothing.
    """

    id: str
    kind: JobKind
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 3600.0
    cancel: bool = False

    def __post_init__(self) -> None:
        check_name(self.id, what="job id")
        if not 0 < self.timeout_s <= _LONGEST_S:
            raise InvalidInput(f"job {self.id}: timeout_s must lie above 0 and within a week, not {self.timeout_s:g}")

    @property
    def run(self) -> str:
        """The tag of what it measures; empty for one that measures nothing."""
        return f"job-{self.id}" if self.kind is JobKind.PROFILE else ""

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind.value,
            "parameters": dict(self.parameters),
            "timeout_s": self.timeout_s,
            "cancel": self.cancel,
        }

    @classmethod
    def from_json(cls, content: object) -> Job:
        if not isinstance(content, Mapping):
            raise InvalidInput(f"a job must be an object, not {content!r:.60}")
        return cls(
            id=documents.field(content, "id", str, what="job"),
            kind=choose(JobKind, content.get("kind"), what="job: 'kind'"),
            parameters=documents.field(content, "parameters", dict, what="job"),
            timeout_s=documents.field(content, "timeout_s", float, what="job"),
            cancel=documents.field(content, "cancel", bool, what="job"),
        )


@dataclass(frozen=True)
class JobReport:
    """How far a job is: `done` of `total` steps (0 of 0: not told), and in `reason` why it ended as it did."""

    id: str
    state: JobState
    done: int = 0
    total: int = 0
    reason: str = ""

    def to_bytes(self) -> bytes:
        return canonical_bytes(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "id": self.id,
            "state": self.state.value,
            "done": self.done,
            "total": self.total,
            "reason": self.reason,
        }

    @classmethod
    def from_bytes(cls, payload: bytes) -> JobReport:
        return cls.from_json(parse_object(payload, what="job report"))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> JobReport:
        check_schema(content, current=SCHEMA, what="job report")
        return cls(
            id=check_name(documents.field(content, "id", str, what="job report"), what="job id"),
            state=choose(JobState, content.get("state"), what="job report: 'state'"),
            done=_count(content, "done"),
            total=_count(content, "total"),
            reason=documents.field(content, "reason", str, what="job report"),
        )


def _count(content: Mapping[str, Any], name: str) -> int:
    count: int = documents.field(content, name, int, what="job report")
    if count < 0:
        raise InvalidInput(f"job report: '{name}' must be 0 or more, not {count}")
    return count


@dataclass(frozen=True)
class JobList:
    """All jobs of a device that are not finished, oldest first."""

    jobs: tuple[Job, ...]

    def to_bytes(self) -> bytes:
        return canonical_bytes({"schema": SCHEMA, "jobs": [job.to_json() for job in self.jobs]})

    @classmethod
    def from_bytes(cls, payload: bytes) -> JobList:
        jobs, refused = read_jobs(payload)
        if refused:
            raise InvalidInput(f"job {refused[0].id}: {refused[0].reason}")
        return cls(jobs)


def read_jobs(payload: bytes) -> tuple[tuple[Job, ...], tuple[JobReport, ...]]:
    """The jobs of a `JobList`, and FAILED reports of those that cannot be read here, so that they hold up no other.

    InvalidInput for what is no list of jobs at all, or where one has no id to report about.
    """
    content = parse_object(payload, what="jobs")
    check_schema(content, current=SCHEMA, what="jobs")
    jobs: list[Job] = []
    refused: list[JobReport] = []
    for entry in documents.field(content, "jobs", list, what="jobs"):
        try:
            jobs.append(Job.from_json(entry))
        except InvalidInput as error:
            number: Any = entry.get("id") if isinstance(entry, Mapping) else None
            refused.append(JobReport(check_name(number, what="job id"), JobState.FAILED, reason=str(error)))
    return tuple(jobs), tuple(refused)
