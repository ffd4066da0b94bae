"""What was saved: sums that can be added up over devices, networks and days, and the facts that JSON holds.

Answers that did not come about as chosen are compared on neither side: the baseline's mean leaves out its fallbacks, a table
knows none, and so ours count in what was spent, but not in what was saved.
"""

from __future__ import annotations

import functools
import math
import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from tools.reports.baseline import Baseline
from tools.reports.question import Price, Question
from tools.reports.sums import OURS, Day, Line

_MJ_PER_KWH = 3.6e9


@dataclass(frozen=True)
class Sums:
    """Sums over requests. `compared_…` are of those answers that came about as chosen and for which the baseline is known,
    as `baseline_mj` is.

    `variance_mj2` is that of `baseline_mj`, infinite where it is unknown. `baseline_violations` of
    `baseline_with_deadline` count requests that ran with the baseline's strategy.
    """

    requests: int = 0
    answers: int = 0
    late: int = 0
    refused: int = 0
    violations: int = 0
    with_deadline: int = 0
    fallbacks: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    spent_mj: float = 0.0
    compared_answers: int = 0
    compared_mj: float = 0.0
    baseline_mj: float = 0.0
    variance_mj2: float = 0.0
    baseline_violations: int = 0
    baseline_with_deadline: int = 0
    spent_kinds: frozenset[str] = frozenset()
    late_kinds: frozenset[str] = frozenset()
    baseline_kinds: frozenset[str] = frozenset()

    def __add__(self, other: Sums) -> Sums:
        return Sums(**{part.name: _added(getattr(self, part.name), getattr(other, part.name)) for part in fields(self)})

    def to_json(self, price: Price | None) -> dict[str, Any]:
        counts = ("requests", "answers", "late", "refused", "violations", "with_deadline", "fallbacks")
        return {
            **{name: getattr(self, name) for name in counts},
            "sent_bytes": self.up_bytes,
            "received_bytes": self.down_bytes,
            "spent_kwh": self.spent_mj / _MJ_PER_KWH,
            **compared(self.compared_answers, self.compared_mj, self.baseline_mj),
            "baseline_error_kwh": _finite(math.sqrt(self.variance_mj2) / _MJ_PER_KWH)
            if self.compared_answers
            else None,
            "baseline_violations": self.baseline_violations,
            "baseline_with_deadline": self.baseline_with_deadline,
            "money": _money(self, price),
            "provenance": self._provenance(),
        }

    def _provenance(self) -> dict[str, list[str]]:
        kinds = {
            "late": self.late_kinds,
            "sent_bytes": {"measured"} if self.up_bytes else set(),
            "spent_kwh": self.spent_kinds,
            "baseline_kwh": self.baseline_kinds,
            "saved_kwh": self.spent_kinds | self.baseline_kinds if self.compared_answers else set(),
        }
        return {name: sorted(found) for name, found in kinds.items()}


def facts_of(
    lines: Sequence[Line],
    baselines: Sequence[Baseline],
    question: Question,
    *,
    source: str,
    not_counted: Mapping[str, int],
) -> dict[str, Any]:
    """All that the report says, as JSON holds it. Energies in kWh; what is unknown is null."""
    sums = [_sums(line, baseline) for line, baseline in zip(lines, baselines, strict=True)]
    return {
        **_asked(question, source=source),
        "total": _total(sums).to_json(question.price),
        "devices": _grouped((line.device for line in lines), sums, question.price),
        "networks": _grouped((line.network for line in lines), sums, question.price),
        "lines": [
            {
                "device": line.device,
                "network": line.network,
                **each.to_json(question.price),
                "baseline": _basis(baseline),
            }
            for line, each, baseline in zip(lines, sums, baselines, strict=True)
        ],
        "days": _days(lines, baselines),
        "not_counted": dict(not_counted),
    }


def compared(answers: int, spent_mj: float, baseline_mj: float) -> dict[str, Any]:
    """The comparison; None throughout where no answer can be compared."""
    known, saved_mj = answers > 0, baseline_mj - spent_mj
    return {
        "compared_answers": answers,
        "compared_spent_kwh": spent_mj / _MJ_PER_KWH if known else None,
        "baseline_kwh": baseline_mj / _MJ_PER_KWH if known else None,
        "saved_kwh": saved_mj / _MJ_PER_KWH if known else None,
        "saved_share": saved_mj / baseline_mj if known and baseline_mj else None,
    }


def not_counted(lines: Iterable[Line], question: Question) -> dict[str, int]:
    """Requests of other strategies, the baseline's among them."""
    counts: dict[str, int] = defaultdict(int)
    for line in lines:
        for name, count in {question.against: line.baseline.requests, **line.others}.items():
            counts[name] += count
    return {name: count for name, count in sorted(counts.items()) if count}


def _asked(question: Question, *, source: str) -> dict[str, Any]:
    return {
        "since": question.period.since_s,
        "until": question.period.until_s,
        "period": str(question.period),
        "source": source,
        "strategy": OURS,
        "against": question.against,
        "account": question.account.value,
        "price_per_kwh": question.price.per_kwh if question.price else None,
        "currency": question.price.currency if question.price else None,
    }


def _sums(line: Line, baseline: Baseline) -> Sums:
    ours = line.ours
    counted = (
        "requests",
        "answers",
        "late",
        "refused",
        "violations",
        "with_deadline",
        "fallbacks",
        "up_bytes",
        "down_bytes",
    )
    known = baseline.per_answer_mj is not None and ours.as_asked.count > 0
    compared_answers = ours.as_asked.count if known else 0
    return Sums(
        **{name: getattr(ours, name) for name in counted},
        spent_mj=ours.energy_mj,
        compared_answers=compared_answers,
        compared_mj=ours.as_asked.total if known else 0.0,
        baseline_mj=compared_answers * (baseline.per_answer_mj or 0.0),
        variance_mj2=(compared_answers * baseline.error_mj) ** 2 if known else 0.0,
        baseline_violations=line.baseline.violations,
        baseline_with_deadline=line.baseline.with_deadline,
        spent_kinds=frozenset(ours.energy_kinds),
        late_kinds=frozenset(ours.latency_kinds),
        baseline_kinds=baseline.kinds if known else frozenset(),
    )


def _total(sums: Iterable[Sums]) -> Sums:
    return functools.reduce(operator.add, sums, Sums())


def _grouped(names: Iterable[str], sums: Sequence[Sums], price: Price | None) -> dict[str, Any]:
    groups: dict[str, list[Sums]] = defaultdict(list)
    for name, each in zip(names, sums, strict=True):
        groups[name].append(each)
    return {name: _total(group).to_json(price) for name, group in sorted(groups.items())}


def _days(lines: Sequence[Line], baselines: Sequence[Baseline]) -> list[dict[str, Any]]:
    days: dict[str, list[tuple[Day, float | None]]] = defaultdict(list)
    for line, baseline in zip(lines, baselines, strict=True):
        for name, day in line.days.items():
            days[name].append((day, baseline.per_answer_mj))
    return [{"day": name, **_day(parts)} for name, parts in sorted(days.items())]


def _day(parts: Sequence[tuple[Day, float | None]]) -> dict[str, Any]:
    known = [(day, per_answer_mj) for day, per_answer_mj in parts if per_answer_mj is not None]
    return {
        "answers": sum(day.answers for day, _ in parts),
        "spent_kwh": sum(day.energy_mj for day, _ in parts) / _MJ_PER_KWH,
        **compared(
            sum(day.as_asked.count for day, _ in known),
            sum(day.as_asked.total for day, _ in known),
            sum(day.as_asked.count * per_answer_mj for day, per_answer_mj in known),
        ),
    }


def _basis(baseline: Baseline) -> dict[str, Any]:
    per_answer_mj = baseline.per_answer_mj
    return {
        "from": baseline.kind,
        "told": baseline.told,
        "requests": baseline.requests,
        "table": baseline.table or None,
        "per_answer_j": None if per_answer_mj is None else per_answer_mj / 1e3,
        "standard_error_j": _finite(baseline.error_mj / 1e3),
        "provenance": sorted(baseline.kinds),
    }


def _money(sums: Sums, price: Price | None) -> Mapping[str, float | None] | None:
    if price is None:
        return None
    per_mj = price.per_kwh / _MJ_PER_KWH
    known = sums.compared_answers > 0
    return {
        "spent": sums.spent_mj * per_mj,
        "baseline": sums.baseline_mj * per_mj if known else None,
        "saved": (sums.baseline_mj - sums.compared_mj) * per_mj if known else None,
    }


def _added(one: Any, other: Any) -> Any:
    return one | other if isinstance(one, frozenset) else one + other


def _finite(figure: float) -> float | None:
    return figure if math.isfinite(figure) else None
