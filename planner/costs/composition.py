"""Costs compose: from the measured parts of some configurations to the row of any other in the space, and how sure that is.

A configuration is put together from the time of its head (`head_times`), the watts that go with it, the watts while it
waits, and the time and watts of its tail (`fields`). All are fitted robustly: a few wrong measurements do not pull.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import isclose, isnan, log
from statistics import median

from planner.averages import (
    CLOUD_FIGURES,
    HEAD_FIGURES,
    alone,
    by_configuration,
    least_certain,
    rows_by_configuration,
    usable,
)
from planner.costs.predictions import Boundary, Predictions, boundary_of, grouped
from planner.costs.scatter import Scatter
from protocol.configuration import CloudAccelerator, Configuration, EdgeAccelerator, Provenance
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.table import Row

Mode = tuple[EdgeAccelerator, int]
"""How a device computes: edge accelerator and threads."""

_OWN = (*HEAD_FIGURES, "wait_w")
"""What a measured configuration keeps of its own."""

_WILD, _FEW_TPU_CUTS = 0.5, 3
"""Heads on a TPU are compiled each as a whole, so that little follows from one to another: nothing from fewer cuts than
these, and a time that may be off by more than this is a guess, and no prediction."""
_CONTRADICTION = 2.0
"""By so many standard deviations a measurement differs from what the others say of it: then it tells how far it may be off."""

Figures = Mapping[str, tuple[list[float], list[float]]]
"""By figure, of several configurations: values and relative standard deviations."""


@dataclass(frozen=True, eq=False)
class CostModel:
    """What `fit` learned; `row` is what it is for.

    `measured` holds the rows of the configurations that were measured themselves. `throttled` counts the measurements
    that were left out since the device was throttled. `bytes`: up and down, at each cut with each codec.
    `scatter`: how repeats differ, by figure of the head and whether there is a head.
    """

    measured: Mapping[Configuration, Row]
    throttled: int
    edge_only_cut: int | None
    bytes: Mapping[Boundary, tuple[int, int]]
    accuracy: Mapping[Boundary, float | None]
    modes: frozenset[Mode]
    tpu_cuts: frozenset[int]
    clouds: frozenset[CloudAccelerator]
    predictions: Predictions
    kinds: Mapping[str, Provenance]
    scatter: Mapping[tuple[str, bool], Scatter]
    _known: dict[Configuration, Row] = field(default_factory=dict, repr=False)

    def row(self, configuration: Configuration) -> Row:
        """The configuration's row: its head as measured where it was, else composed; InvalidInput as for `composed`.

        The tail knows nothing of the device's clock, so all that was measured of tails goes into it: rows that differ in
        their clock alone shall not differ by the noise of the cloud. What that moved is an estimate.
        """
        composed = self.composed(configuration)
        measured = self.measured.get(composed.configuration)
        return self._with_own_head(composed, measured) if measured else composed

    def as_measured(self, configuration: Configuration) -> Row | None:
        """The row of what was measured of a configuration, nothing composed, its tail neither; None where nothing was."""
        measured = self.measured.get(configuration)
        if measured is None:
            return None
        composed = self.composed(configuration)
        off = {name: share for name, share in composed.uncertainty.items() if name not in HEAD_FIGURES}
        return replace(measured, uncertainty=off | self._of_own_head(composed, measured))

    def composed(self, configuration: Configuration) -> Row:
        """The row put together from parts, also where the configuration itself was measured.

        Its figures are `emulated` where anything of that kind was, else `estimated`, and carry their uncertainty.
        InvalidInput names what the measurements do not tell, see `gap`.
        """
        gap = self.gap(configuration)
        if gap is not None:
            raise InvalidInput(f"the measurements do not cover {configuration}: {gap}; profile it first")
        return self._composed(configuration)

    def gap(self, configuration: Configuration) -> str | None:
        """What the measurements do not tell of a configuration; None where there is a row. A guess is none: the time
        of a head of which nothing like it was measured."""
        missing = self._missing(configuration)
        if missing is not None:
            return missing
        row = self._composed(configuration)
        off = row.uncertainty.get("head_ms", 0.0)
        on_tpu = configuration.edge_accelerator is not EdgeAccelerator.OFF
        if on_tpu and off > _WILD and row.configuration not in self.measured:
            return f"nothing like its head was measured, its time may be off by {off:.0%}"
        return None

    def _composed(self, configuration: Configuration) -> Row:
        plain = alone(configuration) if configuration.cut == self.edge_only_cut else configuration
        if plain not in self._known:
            self._know(plain)
        return self._known[plain]

    def _missing(self, configuration: Configuration) -> str | None:
        """The part of which nothing was measured."""
        accelerator, threads = configuration.edge_accelerator, configuration.threads
        if (accelerator, threads) not in self.modes:
            return f"nothing was measured with tpu {accelerator} and {threads} thread(s)"
        on_tpu = self.tpu_cuts if accelerator is not EdgeAccelerator.OFF else frozenset({configuration.cut})
        if configuration.cut not in on_tpu and len(on_tpu) < _FEW_TPU_CUTS:
            return f"heads on the TPU were measured at {len(on_tpu)} cut(s) only, and this is none of them"
        if boundary_of(configuration) not in self.bytes:
            return "nothing was measured at this cut with this codec, so what it sends is unknown"
        if configuration.cut != self.edge_only_cut and configuration.cloud_accelerator not in self.clouds:
            return f"no tail was measured with cloud {configuration.cloud_accelerator}"
        return None

    def _know(self, wanted: Configuration) -> None:
        """Works out the row that is wanted and, the first time, all that was measured in parts: it costs little more."""
        found = list(dict.fromkeys([wanted] if self._known else [wanted, *self._of_measured_parts()]))
        columns = self.predictions.columns(found)
        figures = {name: (values.tolist(), off.tolist()) for name, (values, off) in columns.items()}
        self._known.update((item, self._row(item, place, figures)) for place, item in enumerate(found))

    def _of_measured_parts(self) -> Iterable[Configuration]:
        clocks_khz = sorted({item.cpu_khz for item in self.measured})
        clouds = [cloud for cloud in CloudAccelerator if cloud in self.clouds]
        for (cut, codec), cpu_khz, (accelerator, threads) in product(self.bytes, clocks_khz, self.modes):
            for cloud in clouds if cut != self.edge_only_cut else [CloudAccelerator.CPU]:
                yield Configuration(cut, cpu_khz, accelerator, cloud, codec, threads)

    def _row(self, configuration: Configuration, place: int, figures: Figures) -> Row:
        boundary, sends = boundary_of(configuration), configuration.cut != self.edge_only_cut
        value = {name: figures[name][0][place] for name in (HEAD_FIGURES + CLOUD_FIGURES if sends else HEAD_FIGURES)}
        known = [name for name in value if not isnan(value[name])]
        up_bytes, down_bytes = self.bytes[boundary]
        return Row(
            configuration=configuration,
            head_ms=value["head_ms"],
            head_mj=value["head_mj"],
            wait_w=value.get("wait_w", 0.0),
            up_bytes=up_bytes,
            down_bytes=down_bytes,
            cloud_ms=value.get("cloud_ms", 0.0),
            cloud_node_mj=value.get("cloud_node_mj", 0.0),
            cloud_active_mj=value["cloud_active_mj"] if "cloud_active_mj" in known else None,
            accuracy=self.accuracy.get(boundary),
            provenance={name: self.kinds[name] for name in known},
            uncertainty={name: round(figures[name][1][place], 5) for name in known},
        )

    def _with_own_head(self, composed: Row, measured: Row) -> Row:
        """The head and the waiting as measured; the tail keeps its kind where its figures are as they were measured."""
        own = {name: getattr(measured, name) for name in _OWN}
        kept = [name for name in CLOUD_FIGURES if name in own or _same(composed, measured, name)]
        kinds = {name: kind for name, kind in measured.provenance.items() if name in own or name in kept}
        moved = {name: kind for name, kind in composed.provenance.items() if name not in own and name not in kept}
        off = {name: share for name, share in composed.uncertainty.items() if name not in own}
        return replace(
            composed, provenance=kinds | moved, uncertainty=off | self._of_own_head(composed, measured), **own
        )

    def _of_own_head(self, composed: Row, measured: Row) -> dict[str, float]:
        return {name: self._own_off(composed, measured, name) for name in HEAD_FIGURES if name in composed.uncertainty}

    def _own_off(self, composed: Row, measured: Row, name: str) -> float:
        """How far one more measurement may lie from what was measured: as its repeats do. What was measured once is held
        against what the others say of it."""
        scatter = self.scatter[name, measured.configuration.cut > 0]
        if measured.configuration in scatter.own:
            return round(scatter.own[measured.configuration], 5)
        one, other, doubt = getattr(composed, name), getattr(measured, name), composed.uncertainty[name]
        apart = abs(log(other / one)) if one > 0 and other > 0 else 0.0
        return round(apart if apart > _CONTRADICTION * doubt else min(doubt, scatter.once), 5)


def fit(
    measurements: Sequence[Measurement], *, boundaries: Mapping[Boundary, tuple[int, int]] | None = None
) -> CostModel:
    """A model of the costs of one network on one device, from measurements of one bundle.

    `boundaries`: bytes sent and received where the network tells them, so that a cut need not be measured to be known.
    Throttled measurements are left out. InvalidInput when none is left, when devices or networks are mixed, or when a
    cut below the highest one sent nothing; BundleMismatch when bundles are mixed.
    """
    kept = usable(measurements)
    measured = rows_by_configuration(kept)
    rows = list(measured.values())
    bytes_of = {**(boundaries or {}), **{key: _bytes(group) for key, group in grouped(rows, boundary_of).items()}}
    return CostModel(
        measured=measured,
        throttled=len(measurements) - len(kept),
        edge_only_cut=next((row.configuration.cut for row in rows if not row.uses_cloud), None),
        bytes=bytes_of,
        accuracy={boundary_of(row.configuration): row.accuracy for row in rows},
        modes=frozenset((item.edge_accelerator, item.threads) for item in measured),
        tpu_cuts=frozenset(
            item.cut for item in measured if item.cut and item.edge_accelerator is not EdgeAccelerator.OFF
        ),
        clouds=frozenset(row.configuration.cloud_accelerator for row in rows if row.uses_cloud),
        predictions=Predictions.of(rows, {boundary: sent for boundary, (sent, _) in (boundaries or {}).items()}),
        kinds={name: _derived(rows, name) for name in HEAD_FIGURES + CLOUD_FIGURES},
        scatter={(name, heads): _scatter(kept, name, heads=heads) for name in HEAD_FIGURES for heads in (False, True)},
    )


def _scatter(measurements: Sequence[Measurement], figure: str, *, heads: bool) -> Scatter:
    """How much a figure differs from run to run: of heads, or of what is computed before a network's first operator, which
    is short and another matter."""
    found = {
        configuration: [getattr(item.cost, figure) for item in group if getattr(item.cost, figure) > 0]
        for configuration, group in by_configuration(measurements).items()
        if (configuration.cut > 0) is heads
    }
    return Scatter.of({configuration: figures for configuration, figures in found.items() if figures})


def _bytes(rows: Sequence[Row]) -> tuple[int, int]:
    return round(median(row.up_bytes for row in rows)), round(median(row.down_bytes for row in rows))


def _derived(rows: Iterable[Row], figure: str) -> Provenance:
    """What a figure is that was worked out from those of these rows."""
    kind = least_certain(row.provenance[figure] for row in rows if figure in row.provenance)
    return Provenance.EMULATED if kind is Provenance.EMULATED else Provenance.ESTIMATED


def _same(composed: Row, measured: Row, name: str) -> bool:
    one, other = getattr(composed, name), getattr(measured, name)
    return one is None or other is None or isclose(one, other, rel_tol=1e-6)
