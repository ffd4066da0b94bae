"""A rollout: signed tables of one network for many devices, sent stage by stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from protocol.messages import TableState


class RolloutState(StrEnum):
    """Whether a rollout goes on, and how it ended."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    DONE = "DONE"
    CANCELED = "CANCELED"

    @property
    def final(self) -> bool:
        return self not in (RolloutState.PENDING, RolloutState.RUNNING)


class MemberState(StrEnum):
    """Where a device of a rollout is.

    `waiting`: its stage has not begun. `sent`: it shall use its table and has not said what it did. `late`: it is off, and
    the others no longer wait for it; the table does. `silent`: it is online and said nothing for too long. `overtaken`: it
    shall use another table by now, or was retired.
    """

    WAITING = "waiting"
    SENT = "sent"
    APPLIED = "applied"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    LATE = "late"
    SILENT = "silent"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True)
class Plan:
    """How careful a rollout is.

    `canary_share` of the devices, one at least, are the first stage. Each further stage takes `growth` times as many as
    all before it, or all that are left (None). A stage is watched for `soak_s` after its last device applied its table. A
    device that is off is waited for `patience_s`; one that is online has as long for its word. `stop_on`: the reports
    that stop the rollout.
    """

    canary_share: float = 0.1
    growth: float | None = None
    soak_s: float = 300.0
    patience_s: float = 600.0
    stop_on: tuple[TableState, ...] = (TableState.REJECTED, TableState.ROLLED_BACK)


@dataclass(frozen=True)
class Member:
    """A device of a rollout with its table. `stage`: 0 until it is in one. Times are wall time, seconds since the epoch.

    `before`: what identifies its report from before. By the rollout's `watched_s`: `sent_s` is when it was sent, `quiet_s`
    from when on it is online and owes its word.
    """

    device: str
    digest: str
    version: int
    state: MemberState = MemberState.WAITING
    stage: int = 0
    reason: str = ""
    sent_at: float | None = None
    quiet_s: float | None = None
    before: str = ""
    sent_s: float = 0.0


@dataclass(frozen=True)
class Rollout:
    """A rollout and how far it is. `settled_at`: from when on the current stage is only watched.

    `watched_s` is its own time, by which it waits: how long somebody looked on, by clocks that nobody sets. `settled_s` is
    `settled_at` by it.
    `revision` grows with each change, so that of several processes only one makes it.
    """

    id: str
    network: str
    plan: Plan
    members: tuple[Member, ...]
    created_at: float
    state: RolloutState = RolloutState.PENDING
    stage: int = 0
    reason: str = ""
    started_at: float | None = None
    settled_at: float | None = None
    settled_s: float | None = None
    watched_s: float = 0.0
    ended_at: float | None = None
    revision: int = 0

    @property
    def position(self) -> tuple[float, str]:
        """Its place among the others."""
        return (self.created_at, self.id)

    def counts(self) -> dict[str, int]:
        """How many devices are in which state."""
        return dict(Counter(member.state.value for member in self.members))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Rollout:
        """What `to_json` made."""
        plan = {**content["plan"], "stop_on": tuple(TableState(name) for name in content["plan"]["stop_on"])}
        return cls(
            **{
                **_known(cls, content),
                "plan": Plan(**plan),
                "members": tuple(_member(member) for member in content["members"]),
                "state": RolloutState(content["state"]),
            }
        )


def _member(content: Mapping[str, Any]) -> Member:
    return Member(**{**_known(Member, content), "state": MemberState(content["state"])})


def _known(kind: type[Member] | type[Rollout], content: Mapping[str, Any]) -> dict[str, Any]:
    """What it has a field for: another version may have kept more."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in content.items() if name in names}
