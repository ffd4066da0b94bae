"""The rows of a table at the prices of now: this link, what was learned, how the board is set, what the device may do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from planner.choosing.limits import NO_LIMITS, Limits
from planner.choosing.switching import FREE, Switching
from planner.learning.experience import Experience
from planner.pricing import Expected, Flags, Floats, Parts
from protocol.configuration import Account
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.table import Row


@dataclass(frozen=True, eq=False)
class Candidates:
    """Rows ready to be chosen from. Thread-safe; prices are worked out on first use.

    Build once a table with `of`; whatever changes, `now` prices the same columns again, which costs microseconds.
    Without `experience` the table's figures are taken at their word.
    """

    rows: Sequence[Row]
    parts: Parts
    link: Link
    experience: Experience | None = None
    cloud_available: bool = True
    limits: Limits = NO_LIMITS
    switching: Switching = FREE

    @classmethod
    def of(cls, rows: Sequence[Row], link: Link, **now: Any) -> Candidates:
        """Candidates from at least one row; `now` as for the method of that name."""
        if not rows:
            raise InvalidInput("candidates: a table needs at least one row")
        return cls(rows, Parts.of(rows), link, **now)

    def now(self, link: Link, **now: Any) -> Candidates:
        """The same rows over another link; experience, cloud_available, limits and switching stay where none is given."""
        return replace(self, link=link, **now)

    def still(self, link: Link, **now: Any) -> bool:
        """Whether `now`, asked for the same, would give these prices again."""
        return self.link is link and all(getattr(self, name) == value for name, value in now.items())

    def prepare(self, like: Candidates | None = None) -> None:
        """Works out what choosing wants, for the accounts that others were asked for. It does so itself when nobody did."""
        if self.experience:
            self.experience.prepare()
        _ = self.all_allowed, self._waiting_ms
        for account in tuple(like._expected) if like else ():
            self.expected(account)

    def expected(self, account: Account) -> Expected:
        """Latency and energy of all rows; InvalidInput for `edge_active` where it is unknown."""
        found = self._expected.get(account)
        if found is None:
            found = self._expected[account] = self._expect(account)
        return found

    def waiting_ms(self, row: int) -> float:
        """How long the device is expected to wait for the cloud if a request takes this row; 0 for edge-only."""
        predicted_ms = float(self._waiting_ms[row])
        return predicted_ms if self.experience is None else self.experience.waiting_ms(row, predicted_ms)

    def quickest_ms(self, account: Account) -> float:
        """The least latency, with the margin on it, of the rows that may be used now; infinite where none may."""
        return float(self.expected(account).guarded_ms.min(initial=math.inf, where=self.allowed))

    @cached_property
    def allowed(self) -> Flags:
        """The rows that may be used now, whatever a request asks for, but for their accuracy."""
        may = self.limits.may_send(self.parts) & self.limits.allowed_clock(self.parts)
        return may if self.cloud_available else may & ~self.parts.uses_cloud

    @cached_property
    def all_allowed(self) -> bool:
        """Whether every row may be used, and can be."""
        free = self.cloud_available and self.limits.none_on_sending and self.limits.any_clock
        return (free or bool(self.allowed.all())) and (
            self.limits.all_usable or bool(self.limits.usable(self.parts).all())
        )

    def _expect(self, account: Account) -> Expected:
        if self.experience is None:
            found = Expected.exactly(self.parts.priced(self.link, account), self.parts.head_ms)
        else:
            found = self.experience.expected(self.link, account)
        if self.switching.free:
            return found
        delay_ms = self.switching.delay_ms(self.parts)
        return found.later(delay_ms, delay_ms * self.parts.ready_w) if delay_ms.any() else found

    @cached_property
    def _waiting_ms(self) -> Floats:
        """As the table predicts it."""
        return self.parts.waiting_ms(self.link)

    @cached_property
    def _expected(self) -> dict[Account, Expected]:
        return {}
