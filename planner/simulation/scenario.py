"""What happens while requests are served: the link changes, the cloud is away, requests come in bursts.

A scenario is a document (JSON or TOML) of lists; every entry says from which request on, counted from 0 (`from_request`),
or, where all arrivals are known beforehand, from which second on (`from_s`).

    [arrivals]                   # left out: each request comes when the one before it is answered
    every_ms = 500
    [[link]]                     # until the next one
    from_request = 2000
    rtt_ms = 20
    up_mbps = 50
    down_mbps = 50
    [[cloud_away]]
    from_request = 4000
    to_request = 4500
    [[burst]]                    # so many requests, this far apart
    from_request = 6000
    requests = 50
    every_ms = 10
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from planner.pricing import Flags, Floats
from protocol.documents import checked, field
from protocol.errors import InvalidInput
from protocol.link import Link

_BYTES_PER_MS = 125.0
"""Of one Mbit/s."""
_KEYS = {
    "link": ("rtt_ms", "up_mbps", "down_mbps"),
    "cloud_away": ("to_request", "to_s"),
    "burst": ("requests", "every_ms"),
}
_START = ("from_request", "from_s")


@dataclass(frozen=True)
class Moment:
    """A request's number, or a time in s after the first arrival: one of them is None."""

    request: int | None
    at_s: float | None

    def number(self, arrivals_ms: Floats | None) -> int:
        """The first request from this moment on. InvalidInput for a time where nobody knows the arrivals beforehand."""
        if self.request is not None:
            return self.request
        if arrivals_ms is None:
            raise InvalidInput(
                "scenario: from_s and to_s need [arrivals] every_ms, for without it a request comes when the one before "
                "it is answered; use from_request and to_request"
            )
        return int(np.searchsorted(arrivals_ms, (self.at_s or 0.0) * 1e3))


@dataclass(frozen=True)
class LinkChange:
    start: Moment
    link: Link


@dataclass(frozen=True)
class CloudAway:
    """From a moment on until before another one."""

    start: Moment
    end: Moment


@dataclass(frozen=True)
class Burst:
    """So many requests, each `every_ms` after the one before."""

    start: Moment
    requests: int
    every_ms: float


@dataclass(frozen=True)
class Scenario:
    """What is to happen. `every_ms`: how far requests are apart; None: each comes when the one before is answered."""

    every_ms: float | None = None
    links: tuple[LinkChange, ...] = ()
    outages: tuple[CloudAway, ...] = ()
    bursts: tuple[Burst, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "scenario") -> Scenario:
        """From a document. InvalidInput, with the entry, for what is unknown, missing or cannot be."""
        if unknown := sorted(set(content) - {"arrivals", *_KEYS}):
            raise InvalidInput(f"{what}: there is no {unknown[0]!r:.40}; use arrivals, {', '.join(_KEYS)}")
        arrivals = content.get("arrivals")
        return cls(
            every_ms=None if arrivals is None else _arrivals(arrivals, what=f"{what}: arrivals"),
            links=tuple(_link(entry, what=place) for entry, place in _entries(content, "link", what)),
            outages=tuple(_outage(entry, what=place) for entry, place in _entries(content, "cloud_away", what)),
            bursts=tuple(_burst(entry, what=place) for entry, place in _entries(content, "burst", what)),
        )

    def timeline(self, requests: int) -> Timeline:
        """What it means for so many requests; what begins after the last one never happens."""
        gaps_ms = np.full(requests, np.nan if self.every_ms is None else self.every_ms)
        for burst in self.bursts:
            start = burst.start.number(self._arrivals_ms(gaps_ms))
            gaps_ms[start + 1 : start + burst.requests] = burst.every_ms
        arrivals_ms = self._arrivals_ms(gaps_ms)
        away = np.zeros(requests, dtype=np.bool_)
        for outage in self.outages:
            away[outage.start.number(arrivals_ms) : outage.end.number(arrivals_ms)] = True
        changes = sorted(((change.start.number(arrivals_ms), change.link) for change in self.links), key=_first)
        return Timeline(tuple(changes), away, gaps_ms)

    def _arrivals_ms(self, gaps_ms: Floats) -> Floats | None:
        """When each request comes, the first one at 0; None where that depends on when others are answered."""
        return None if self.every_ms is None else np.cumsum(gaps_ms) - gaps_ms[0]


@dataclass(frozen=True, eq=False)
class Timeline:
    """A scenario for n requests: link changes as (request, link), whether the cloud is away [n], and the time in ms
    between each request's arrival and the one before it [n], NaN where it comes when that one is answered."""

    changes: tuple[tuple[int, Link], ...]
    away: Flags
    gaps_ms: Floats

    def stretches(self) -> list[Stretch]:
        """The requests in pieces of one link, each to be served at once or one after the other."""
        requests = len(self.away)
        paced = ~np.isnan(self.gaps_ms)
        alone = self.away | paced | np.append(paced[1:], False)
        turns = np.flatnonzero(alone[1:] != alone[:-1]) + 1
        marks = sorted({0, requests, *turns.tolist(), *(min(start, requests) for start, _ in self.changes)})
        return [Stretch(start, stop, self.link_at(start), bool(alone[start])) for start, stop in pairwise(marks)]

    def link_at(self, request: int) -> Link | None:
        """The link at a request; None for the one that was recorded."""
        return next((link for start, link in reversed(self.changes) if start <= request), None)


@dataclass(frozen=True)
class Stretch:
    """Requests from `start` to before `stop` over one link (None: the one that was recorded). `one_by_one`: what happens
    to one of them depends on when the one before was done, or on who comes meanwhile."""

    start: int
    stop: int
    link: Link | None
    one_by_one: bool


def _first(change: tuple[int, Link]) -> int:
    return change[0]


def _entries(content: Mapping[str, Any], name: str, what: str) -> Sequence[tuple[Mapping[str, Any], str]]:
    entries = content.get(name, [])
    if not isinstance(entries, list):
        raise InvalidInput(f"{what}: {name} must be a list of entries, not {entries!r:.60}")
    found = []
    for number, entry in enumerate(entries, start=1):
        place = f"{what}: {name} {number}"
        found.append((_known(entry, (*_START, *_KEYS[name]), what=place), place))
    return found


def _known(entry: object, keys: Sequence[str], *, what: str) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise InvalidInput(f"{what} must be an object, not {entry!r:.60}")
    if unknown := sorted(set(entry) - set(keys)):
        raise InvalidInput(f"{what}: there is no {unknown[0]!r:.40}; use {', '.join(keys)}")
    return entry


def _moment(entry: Mapping[str, Any], side: str, *, what: str) -> Moment:
    request, at_s = f"{side}_request", f"{side}_s"
    if (request in entry) == (at_s in entry):
        raise InvalidInput(f"{what} needs either {request} or {at_s}")
    if request in entry:
        return Moment(_at_least(field(entry, request, int, what=what), 0, what=f"{what}: {request}"), None)
    return Moment(None, _at_least(field(entry, at_s, float, what=what), 0, what=f"{what}: {at_s}"))


def _arrivals(entry: object, *, what: str) -> float:
    return _apart_ms(_known(entry, ("every_ms",), what=what), what=what)


def _apart_ms(entry: Mapping[str, Any], *, what: str) -> float:
    every_ms: float = _at_least(field(entry, "every_ms", float, what=what), 0, what=f"{what}: every_ms")
    return every_ms


def _link(entry: Mapping[str, Any], *, what: str) -> LinkChange:
    rates = {name: field(entry, name, float, what=what) for name in ("up_mbps", "down_mbps")}
    for name, rate in rates.items():
        if rate <= 0:
            raise InvalidInput(f"{what}: {name} must be above 0, not {rate:g}; to cut the cloud off, use cloud_away")
    rtt_ms = _at_least(field(entry, "rtt_ms", float, what=what), 0, what=f"{what}: rtt_ms")
    link = Link(rtt_ms, *(rate * _BYTES_PER_MS for rate in rates.values()))
    return LinkChange(_moment(entry, "from", what=what), link)


def _outage(entry: Mapping[str, Any], *, what: str) -> CloudAway:
    outage = CloudAway(_moment(entry, "from", what=what), _moment(entry, "to", what=what))
    pairs = ((outage.start.request, outage.end.request), (outage.start.at_s, outage.end.at_s))
    if any(start is not None and end is not None and end <= start for start, end in pairs):
        raise InvalidInput(f"{what} ends before it begins: to must be greater than from")
    return outage


def _burst(entry: Mapping[str, Any], *, what: str) -> Burst:
    requests = _at_least(field(entry, "requests", int, what=what), 2, what=f"{what}: requests")
    return Burst(_moment(entry, "from", what=what), requests, _apart_ms(entry, what=what))


def _at_least(value: Any, least: int, *, what: str) -> Any:
    number = checked(value, type(value), what=what)
    if number < least:
        raise InvalidInput(f"{what} must be {least} or more, not {number:g}")
    return number
