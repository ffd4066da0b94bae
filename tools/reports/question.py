"""What a report is asked: which period, which devices, against what, and at which price."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from protocol.configuration import Account
from protocol.errors import InvalidInput

_UNITS_S = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_AGO = re.compile(r"([0-9]+(?:\.[0-9]+)?)([mhdw])")
_EXAMPLES = "7d, 24h, 90m, 2026-11-01 or 2026-11-01T08:00+01:00"


@dataclass(frozen=True)
class Period:
    """From `since_s` on and before `until_s`, in seconds since the epoch."""

    since_s: float
    until_s: float

    def __post_init__(self) -> None:
        if not self.since_s < self.until_s:
            raise InvalidInput(f"the period would end before it begins: {self}; let --since be earlier than --until")

    def __contains__(self, at_s: float) -> bool:
        return self.since_s <= at_s < self.until_s

    def __str__(self) -> str:
        return f"{told(self.since_s)} to {told(self.until_s)}"


@dataclass(frozen=True)
class Price:
    """What a kWh costs. `currency` is only printed, "" where none was named."""

    per_kwh: float
    currency: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.per_kwh < math.inf:
            raise InvalidInput(f"--price must be 0 or more per kWh, not {self.per_kwh}")
        if len(self.currency) > 16 or not self.currency.isprintable():
            raise InvalidInput(f"--currency must be a short name such as EUR, not {self.currency!r:.40}")


@dataclass(frozen=True)
class Question:
    """Which requests count (no devices: all; no network: all), against which baseline, and whose energy."""

    period: Period
    against: str
    account: Account = Account.EDGE_NODE
    devices: tuple[str, ...] = ()
    network: str = ""
    price: Price | None = None


def read_period(since: str, until: str | None, *, now_s: float) -> Period:
    """A period from what was typed; InvalidInput names the option that is wrong."""
    end_s = now_s if until is None else _moment(until, now_s=now_s, option="--until")
    return Period(_moment(since, now_s=now_s, option="--since"), end_s)


def told(at_s: float) -> str:
    """A time in UTC, to the minute."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M}"


def day_of(at_s: float) -> str:
    """The day in UTC, as in 2026-11-01."""
    return datetime.fromtimestamp(at_s, UTC).date().isoformat()


def _moment(text: str, *, now_s: float, option: str) -> float:
    """So long before now, or a date with or without a time, in UTC unless it says otherwise; never before 1970."""
    if found := _AGO.fullmatch(text):
        return max(0.0, now_s - float(found[1]) * _UNITS_S[found[2]])
    try:
        moment = datetime.fromisoformat(text)
        at_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{option} {text!r:.60} is no time: give {_EXAMPLES}") from error
    return max(0.0, at_s)
