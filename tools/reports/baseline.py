"""What a baseline would have spent on an answer, and where that figure comes from.

Requests that really ran with the baseline's strategy, in the same period, on the same device and network, go first; else the
device's table says; else it is unknown. What stands behind a figure always goes with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.choosing.candidates import Candidates
from planner.choosing.strategies import Choice, Request, choose
from protocol.configuration import Account
from protocol.errors import InvalidInput
from protocol.table import Row, Table
from tools.reports.question import Question
from tools.reports.records import Records
from tools.reports.sums import Line

ENOUGH = 10
"""Fewer requests of its own say less about a baseline than the device's table does."""

_CLOUD_PARTS = {
    Account.EDGE: (),
    Account.EDGE_ACTIVE: ("cloud_active_mj",),
    Account.EDGE_NODE: ("cloud_node_mj",),
}


@dataclass(frozen=True)
class Baseline:
    """What the baseline spends on an answer, in mJ; `told` is where that comes from, for people.

    `kind`: `requests`, `table` or `unknown`, when `per_answer_mj` is None. `error_mj` is the standard error of
    `per_answer_mj`, infinite where nobody knows it.
    """

    kind: str
    told: str
    per_answer_mj: float | None = None
    error_mj: float = math.inf
    kinds: frozenset[str] = frozenset()
    requests: int = 0
    table: str = ""


def baseline_of(line: Line, question: Question, records: Records) -> Baseline:
    """The best that can be said for this device and network."""
    enough = line.baseline.as_asked.count >= ENOUGH
    found = None if enough else _from_table(line, question, records)
    if found and found.per_answer_mj is not None:
        return found
    return _from_requests(line) or found or _unknown(question)


def _from_requests(line: Line) -> Baseline | None:
    mean = line.baseline.as_asked
    if not mean.count:
        return None
    return Baseline(
        "requests",
        f"{mean.count} run{'s' if mean.count > 1 else ''}",
        per_answer_mj=mean.mean,
        error_mj=mean.standard_error,
        kinds=frozenset(line.baseline.energy_kinds),
        requests=mean.count,
    )


def _from_table(line: Line, question: Question, records: Records) -> Baseline | None:
    table = records.table(line.device, line.network)
    if table is None:
        return None
    try:
        choice = _choice(table, question)
    except InvalidInput as error:
        return Baseline("unknown", f"unknown: table {table.digest:.8} does not say ({error})", table=table.digest)
    return Baseline(
        "table",
        f"table {table.digest:.8}",
        per_answer_mj=choice.predicted_mj,
        kinds=_kinds(choice.row, question.account),
        table=table.digest,
    )


def _choice(table: Table, question: Question) -> Choice:
    """What the baseline would choose, whatever the deadline, at the link of the time of profiling."""
    return choose(question.against, Candidates.of(table.rows, table.link), Request(account=question.account))


def _kinds(row: Row, account: Account) -> frozenset[str]:
    """All kinds in the sum; it is worked out from parts and a link, and so is an estimate in any case."""
    parts = ("head_mj", *(("wait_w", *_CLOUD_PARTS[account]) if row.uses_cloud else ()))
    return frozenset({"estimated", *(row.provenance[name].value for name in parts if name in row.provenance)})


def _unknown(question: Question) -> Baseline:
    return Baseline(
        "unknown",
        f"unknown: no request ran with {question.against}, and there is no table; send some with --strategy "
        f"{question.against}, push a table, or give one with --table",
    )
