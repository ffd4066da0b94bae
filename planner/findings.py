"""What measurements come to: a table, the front at the prices of now, and the measurements that contradict the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from planner.averages import rows_by_configuration, usable
from planner.costs.composition import CostModel, fit
from planner.hypervolume import hypervolume, reference_point
from planner.pareto import front
from planner.pricing import Floats, Indices, Parts, Prices
from planner.provenance import energy_kinds, latency_kinds
from planner.recording import ORIGIN
from planner.searching.campaign import objectives
from planner.space import Space
from planner.suspects.finding import Suspect
from planner.suspects.sifting import Sifted
from planner.tables import rows_of, table_of
from protocol.configuration import Account, Configuration
from protocol.measurement import Measurement
from protocol.table import Row, Table


@dataclass(frozen=True)
class Wanted:
    """How to read the measurements.

    `composed`: the whole space, worked out from what was measured, else what was measured itself. `partial`: leave out
    what the measurements do not cover, instead of refusing. `trust_all`: suspects count as well.
    """

    account: Account
    composed: bool = True
    partial: bool = False
    trust_all: bool = False


@dataclass(frozen=True, eq=False)
class Findings:
    """A table, and all rows that were priced for it, which `sound` measurements tell. Suspects point into `measurements`."""

    space: Space
    account: Account
    measurements: Sequence[Measurement]
    sifted: Sifted
    sound: Sequence[Measurement]
    throttled: int
    model: CostModel
    rows: Sequence[Row]
    table: Table

    @property
    def suspects(self) -> Sequence[Suspect]:
        return self.sifted.suspects

    @cached_property
    def parts(self) -> Parts:
        return Parts.of(self.rows)

    @cached_property
    def prices(self) -> Prices:
        """Of all rows, over the table's link."""
        return self.parts.priced(self.table.link, self.account)

    @cached_property
    def front(self) -> Indices:
        """The rows worth using at these prices, the fastest first, by latency, energy and accuracy."""
        return front(self.prices, self.parts.accuracy)

    @cached_property
    def measured(self) -> Collection[Configuration]:
        return self.model.measured.keys()

    def place(self, configuration: Configuration) -> int | None:
        """The index of its row."""
        return self._places.get(configuration)

    @cached_property
    def _places(self) -> dict[Configuration, int]:
        return {row.configuration: index for index, row in enumerate(self.rows)}

    def points(self) -> Floats:
        """Latency in ms and energy in mJ of the front: an array [n, 2]."""
        return np.column_stack([self.prices.latency_ms[self.front], self.prices.energy_mj[self.front]])


def findings(measurements: Sequence[Measurement], space: Space, wanted: Wanted) -> Findings:
    """The findings from measurements of one bundle on one device; suspects do not count unless all are trusted.

    InvalidInput for `edge_active` where nobody knows the cloud's idle power, and for what the measurements do not cover.
    """
    kept = usable(measurements)
    check_account(kept, wanted.account)
    sifted = Sifted.of(kept)
    if not wanted.trust_all:
        sifted.check()
    sound = kept if wanted.trust_all else sifted.sound
    model = fit(sound, boundaries=space.boundaries)
    rows = _rows(space, model, wanted, gaps=len(sound) < len(kept))
    origin: dict[str, str] = {name: getattr(kept[0], name) for name in ORIGIN}
    return Findings(
        space=space,
        account=wanted.account,
        measurements=kept,
        sifted=sifted,
        sound=sound,
        throttled=len(measurements) - len(kept),
        model=model,
        rows=rows,
        table=table_of(rows, space, sound, **origin),
    )


def check_account(measurements: Sequence[Measurement], account: Account) -> None:
    """InvalidInput where the account's energy is not known of one of them."""
    if account is Account.EDGE_ACTIVE:
        for item in measurements:
            objectives(item, account)


def corner(found: Findings, pool: Sequence[Measurement]) -> Floats:
    """The point from which hypervolumes are measured, ms and mJ: beyond the worst of what the pool holds, without suspects.

    The pool is all that could have been measured, so that searches of it with other budgets and methods compare.
    """
    sifted = found.sifted if len(pool) == len(found.measurements) else Sifted.of(pool)
    return reference_point([objectives(item, found.account) for item in sifted.sound])


def facts_of(found: Findings, reference: Floats) -> dict[str, Any]:
    """The findings as JSON holds them. `hypervolume` is that of the front, in ms x mJ, up to `reference`."""
    table = found.table
    measured = [objectives(item, found.account) for item in found.sound]
    return {
        **{name: getattr(table, name) for name in ORIGIN},
        "space": found.space.size,
        "left_out": found.space.size - len(found.rows),
        "measured": len(rows_by_configuration(found.measurements)),
        "measurements": len(found.measurements) + found.throttled,
        "throttled": found.throttled,
        "account": found.account.value,
        "link": table.link.to_json(),
        "table": table.digest,
        "table_rows": len(table.rows),
        "hypervolume": hypervolume(found.points(), reference),
        "hypervolume_measured": hypervolume(measured, reference),
        "reference_point": {"latency_ms": float(reference[0]), "energy_mj": float(reference[1])},
        "front": [_row_facts(found, index) for index in found.front],
    }


def suspect_facts(suspect: Suspect, measurement: Measurement, *, where: str) -> dict[str, Any]:
    """A suspect as JSON holds it."""
    return {
        "configuration": measurement.configuration.to_json(),
        "figure": suspect.figure,
        "recorded": suspect.recorded,
        "expected": suspect.expected,
        "ratio": suspect.ratio,
        "cause": suspect.cause,
        "where": where,
    }


def _rows(space: Space, model: CostModel, wanted: Wanted, *, gaps: bool) -> list[Row]:
    if wanted.composed:
        return rows_of(space, model, partial=wanted.partial or gaps)
    measured = (model.as_measured(item) for item in space.configurations())
    return [row for row in measured if row is not None]


def _row_facts(found: Findings, index: int) -> dict[str, Any]:
    row = found.rows[index]
    return {
        "configuration": row.configuration.to_json(),
        "latency_ms": float(found.prices.latency_ms[index]),
        "energy_mj": float(found.prices.energy_mj[index]),
        "accuracy": row.accuracy,
        "measured": row.configuration in found.measured,
        "provenance": {"latency_ms": latency_kinds(row), "energy_mj": energy_kinds(row, found.account)},
    }
