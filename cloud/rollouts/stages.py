"""How a rollout goes on: decided from what its devices said, and from the time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cloud.store.rollouts.values import Member, MemberState, Plan, Rollout, RolloutState
from protocol.documents import digest_of
from protocol.messages import TableReport, TableState

_OWING = (MemberState.SENT, MemberState.LATE)
_MOST_REASON = 500
_COUNTED_S = 10.0
"""So much time at most is lost when who moves rollouts on ends."""
_WATCHED = (*_OWING, MemberState.APPLIED)
_BY_REPORT = {TableState.REJECTED: MemberState.REJECTED, TableState.ROLLED_BACK: MemberState.ROLLED_BACK}


@dataclass(frozen=True)
class Seen:
    """What is known of a device: whether it is there, which table it shall use for the network, and what it last said.

    `registered`: not retired meanwhile. `published`: whether the broker has taken that table.
    """

    online: bool = False
    desired_version: int = 0
    desired_digest: str = ""
    published: bool = False
    report: TableReport | None = None
    registered: bool = True


_UNSEEN = Seen()

SeenByDevice = Mapping[str, Seen]


def advance(rollout: Rollout, seen: SeenByDevice, *, at: float, passed_s: float) -> Rollout:
    """The rollout after what was seen, `at` wall time in seconds since the epoch; the same one where nothing changes.

    `passed_s`: how long the caller has looked on since this revision of it, by a clock that nobody sets. The devices of a
    stage that has begun shall use their tables: `to_send` names those that were not told yet.
    """
    if rollout.state.final:
        return rollout
    moved = _moved(replace(rollout, watched_s=rollout.watched_s + passed_s), seen, at=at)
    changed = replace(moved, watched_s=rollout.watched_s) != rollout
    return moved if changed or (passed_s >= _COUNTED_S and _waits(rollout)) else rollout


def _waits(rollout: Rollout) -> bool:
    """Whether something comes to pass by time alone."""
    return rollout.settled_s is not None or any(each.state is MemberState.SENT for each in rollout.members)


def _moved(rollout: Rollout, seen: SeenByDevice, *, at: float) -> Rollout:
    members = tuple(_told(each, seen.get(each.device, _UNSEEN), rollout) for each in rollout.members)
    told = replace(rollout, members=members)
    if fault := _fault(told):
        return _ended(told, RolloutState.STOPPED, at=at, reason=fault)
    if rollout.state is RolloutState.PENDING:
        return _next_stage(replace(told, state=RolloutState.RUNNING, started_at=at), seen, at=at)
    return _moved_on(told, seen, at=at)


def to_send(rollout: Rollout, seen: SeenByDevice) -> Sequence[Member]:
    """Members whose stage has begun, and whose table is not the desired one yet."""
    if rollout.state is not RolloutState.RUNNING:
        return []
    begun = (each for each in rollout.members if each.state in _OWING)
    return [each for each in begun if seen.get(each.device, _UNSEEN).desired_version < each.version]


def canceled(rollout: Rollout, *, at: float) -> Rollout:
    """The rollout given up: devices keep what they have."""
    return _ended(rollout, RolloutState.CANCELED, at=at, reason="canceled by the operator")


def untold_waiting(rollout: Rollout, seen: SeenByDevice) -> Rollout:
    """The rollout, of which nothing is sent any more: members that owe their word on a table that never became the desired
    one wait as before."""
    members = tuple(_untold(each, seen.get(each.device, _UNSEEN)) for each in rollout.members)
    return replace(rollout, members=members)


def _untold(member: Member, seen: Seen) -> Member:
    if member.state not in _OWING:
        return member
    if _overtaken(member, seen):
        return _left_to(member, seen)
    if seen.desired_version >= member.version:
        return member
    return Member(member.device, member.digest, member.version)


def _told(member: Member, seen: Seen, rollout: Rollout) -> Member:
    """The member after what its device said."""
    if member.state in (MemberState.WAITING, *_OWING) and not seen.registered:
        return replace(member, state=MemberState.OVERTAKEN, reason="it was retired")
    if member.state in (MemberState.WAITING, *_WATCHED) and _overtaken(member, seen):
        return _left_to(member, seen)
    if member.state not in _WATCHED:
        return member
    if seen.report and (state := _state_of(member, seen.report)):
        return replace(member, state=state, reason=seen.report.reason[:_MOST_REASON], quiet_s=None)
    return _waited_for(member, seen, rollout.plan, now_s=rollout.watched_s)


def _overtaken(member: Member, seen: Seen) -> bool:
    return seen.desired_version >= member.version and seen.desired_digest != member.digest


def _left_to(member: Member, seen: Seen) -> Member:
    reason = f"version {seen.desired_version} became the desired one"
    return replace(member, state=MemberState.OVERTAKEN, reason=reason)


def _state_of(member: Member, report: TableReport) -> MemberState | None:
    """What a report says of the member's table; None when it is about another one."""
    if report.digest == member.digest:
        return MemberState.REJECTED if report.state is TableState.REJECTED else MemberState.APPLIED
    if report.state is not TableState.ROLLED_BACK:
        return None
    # Agents that do not name the table that failed say something new when they went back from this one.
    back = report.failed == member.digest if report.failed else identity_of(report) != member.before
    return MemberState.ROLLED_BACK if back else None


def _waited_for(member: Member, seen: Seen, plan: Plan, *, now_s: float) -> Member:
    if member.state is not MemberState.SENT:
        return member
    if not seen.online:
        over = now_s - member.sent_s >= plan.patience_s
        return replace(member, quiet_s=None, state=MemberState.LATE if over else MemberState.SENT)
    if not (seen.published and seen.desired_digest == member.digest):
        return member
    if member.quiet_s is None:
        return replace(member, quiet_s=now_s)
    if now_s - member.quiet_s < plan.patience_s:
        return member
    reason = f"it is online, but has said nothing of its table for {plan.patience_s:g} s"
    return replace(member, state=MemberState.SILENT, reason=reason)


def _fault(rollout: Rollout) -> str:
    """Which device stops the rollout, and why; empty when none does."""
    stopping = {MemberState.SILENT, *(_BY_REPORT[state] for state in rollout.plan.stop_on)}
    for member in rollout.members:
        if member.state in stopping:
            return f"{member.device}: {member.state.value}{': ' + member.reason if member.reason else ''}"
    return ""


def _moved_on(rollout: Rollout, seen: SeenByDevice, *, at: float) -> Rollout:
    states = [member.state for member in rollout.members]
    if MemberState.SENT in states:
        return replace(rollout, settled_at=None, settled_s=None)
    if MemberState.APPLIED not in states:
        return _another_canary(rollout, seen, at=at)
    if rollout.settled_s is None:
        rollout = replace(rollout, settled_at=at, settled_s=rollout.watched_s)
    if rollout.watched_s - (rollout.settled_s or 0.0) < rollout.plan.soak_s:
        return rollout
    return _next_stage(rollout, seen, at=at)


def _another_canary(rollout: Rollout, seen: SeenByDevice, *, at: float) -> Rollout:
    """Nobody has proven the tables: those who should have are off or out of it. Others that are there may."""
    waiting = [each for each in rollout.members if each.state is MemberState.WAITING]
    late = any(each.state is MemberState.LATE for each in rollout.members)
    if late and not any(seen.get(each.device, _UNSEEN).online for each in waiting):
        return rollout
    return _next_stage(rollout, seen, at=at)


def _next_stage(rollout: Rollout, seen: SeenByDevice, *, at: float) -> Rollout:
    """The next stage begins with those that are online; when nobody is left, the rollout is done."""
    waiting = [each for each in rollout.members if each.state is MemberState.WAITING]
    if not waiting:
        return _ended(rollout, RolloutState.DONE, at=at)
    waiting.sort(key=lambda each: (not seen.get(each.device, _UNSEEN).online, each.device))
    chosen = {each.device for each in waiting[: _size_of_next(rollout)]}
    stage = rollout.stage + 1
    members = tuple(
        _begun(each, seen.get(each.device, _UNSEEN), stage, at=at, now_s=rollout.watched_s)
        if each.device in chosen
        else each
        for each in rollout.members
    )
    return replace(rollout, members=members, stage=stage, settled_at=None, settled_s=None)


def _size_of_next(rollout: Rollout) -> int:
    members, plan = rollout.members, rollout.plan
    if not any(each.state is MemberState.APPLIED for each in members):
        return max(1, math.ceil(plan.canary_share * len(members)))
    if plan.growth is None:
        return len(members)
    return max(1, math.ceil(plan.growth * sum(each.stage > 0 for each in members)))


def _begun(member: Member, seen: Seen, stage: int, *, at: float, now_s: float) -> Member:
    return replace(
        member,
        state=MemberState.SENT,
        stage=stage,
        sent_at=at,
        sent_s=now_s,
        before=identity_of(seen.report) if seen.report else "",
    )


def _ended(rollout: Rollout, state: RolloutState, *, at: float, reason: str = "") -> Rollout:
    return replace(rollout, state=state, ended_at=at, reason=reason)


def identity_of(report: TableReport) -> str:
    """What tells a report from others of its device."""
    return digest_of(report.to_json())
