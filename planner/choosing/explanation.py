"""A decision told with its reasons: for people by words, for machines as JSON.

`strategies.decide` says by which aim it took the best of which rows; `verdicts` holds that against
every other row. There is no second rule here that could say otherwise than the agent does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from planner.choosing.candidates import Candidates
from planner.choosing.strategies import Choice, Request, check_strategy, decide
from planner.choosing.verdicts import Comparison, Verdict
from planner.pricing import Expected, Floats, Prices
from planner.provenance import energy_kinds, latency_kinds
from protocol.configuration import Account
from protocol.errors import InvalidInput, ServiceMissing


@dataclass(frozen=True, eq=False)
class Explanation:
    """A decision, what it was about, and what became of every row. `choice` is None where none would do: `refused` says why."""

    strategy: str
    request: Request
    candidates: Candidates
    choice: Choice | None
    refused: str
    verdicts: tuple[Verdict, ...]

    def to_json(self) -> dict[str, Any]:
        """The same facts for machines; null for what is unknown or without a bound."""
        candidates, request, limits = self.candidates, self.request, self.candidates.limits
        board = candidates.switching.board
        return {
            "strategy": self.strategy,
            "account": request.account.value,
            "deadline_ms": None if request.deadline_ms is None else _finite(request.deadline_ms),
            "behind_ms": [_finite(left_ms) for left_ms in request.behind_ms],
            "overlaps": request.overlaps,
            "link": candidates.link.to_json(),
            "cloud_available": candidates.cloud_available,
            "min_accuracy": limits.accuracy_with(request.min_accuracy),
            "min_cut": limits.min_cut,
            "bytes_left": _finite(limits.bytes_left),
            "min_clock_khz": _finite(limits.min_clock_khz),
            "max_clock_khz": _finite(limits.max_clock_khz),
            "clocks_khz": None if limits.clocks_khz is None else sorted(limits.clocks_khz),
            "accelerators": None if limits.accelerators is None else sorted(limits.accelerators),
            "board": {"cpu_khz": board.cpu_khz, "edge_accelerator": board.edge_accelerator.value} if board else None,
            "learned_from": candidates.experience.requests if candidates.experience else 0,
            "refused": self.refused,
            "chosen": self.choice.index if self.choice else None,
            "candidates": [self._figures.to_json(verdict) for verdict in self.verdicts],
        }

    @cached_property
    def _figures(self) -> _Figures:
        return _Figures.of(self.candidates, self.request.account)


def explain(strategy: str, candidates: Candidates, request: Request) -> Explanation:
    """What `choose` says to this request, and why. Where it would refuse because no row is left, that is part of the
    explanation; InvalidInput for an unknown strategy, and for `edge_active` where it is unknown."""
    check_strategy(strategy)
    candidates.expected(request.account)
    choice, grounds, refused = None, None, ""
    try:
        choice, grounds = decide(strategy, candidates, request)
    except (InvalidInput, ServiceMissing) as error:
        refused = str(error)
    verdicts = Comparison(strategy, candidates, request, choice, grounds).verdicts()
    return Explanation(strategy, request, candidates, choice, refused, verdicts)


@dataclass(frozen=True, eq=False)
class _Figures:
    """What is said of each row in numbers: expected now, and as the table has it."""

    candidates: Candidates
    account: Account
    expected: Expected
    table: Prices
    switching_ms: Floats

    @classmethod
    def of(cls, candidates: Candidates, account: Account) -> _Figures:
        parts = candidates.parts
        return cls(
            candidates,
            account,
            candidates.expected(account),
            parts.priced(candidates.link, account),
            candidates.switching.delay_ms(parts),
        )

    def to_json(self, verdict: Verdict) -> dict[str, Any]:
        index, row, expected = verdict.index, self.candidates.rows[verdict.index], self.expected
        return {
            "row": index,
            "configuration": row.configuration.to_json(),
            "why": verdict.why.value,
            "by": _finite(verdict.by),
            "text": verdict.text,
            "latency_ms": float(expected.latency_ms[index]),
            "margin_ms": float(expected.guarded_ms[index] - expected.latency_ms[index]),
            "energy_mj": float(expected.energy_mj[index]),
            "hoped_mj": float(expected.hoped_mj[index]),
            "switching_ms": float(self.switching_ms[index]),
            "table_latency_ms": float(self.table.latency_ms[index]),
            "table_energy_mj": float(self.table.energy_mj[index]),
            "accuracy": row.accuracy,
            "up_bytes": row.up_bytes,
            "provenance": {"latency_ms": latency_kinds(row), "energy_mj": energy_kinds(row, self.account)},
        }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
