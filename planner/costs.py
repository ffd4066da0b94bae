"""Costs compose: from the measured parts of some configurations to the row of any other in the space.

A configuration is put together from its head at a reference clock, the curve that takes it to another clock, what the
device draws while it waits at that clock, and its tail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

from planner.averages import HEAD_FIGURES, alone, least_certain, median_known, rows_by_configuration, usable
from planner.clocks import Curve, HeadCost, HeadKey, Mode, curves, head_costs, head_key, mode_of, reference_clocks
from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator, Provenance
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.table import Row

TailKey = tuple[int, Codec, CloudAccelerator]
WaitKey = tuple[EdgeAccelerator, int]
"""Edge accelerator (plugged in, it draws) and clock in kHz."""

Key = TypeVar("Key", bound=Hashable)
Kinds = Mapping[str, Provenance]


@dataclass(frozen=True)
class Tail:
    """What a cut costs in the cloud and on the wire."""

    up_bytes: int
    down_bytes: int
    cloud_ms: float
    cloud_node_mj: float
    cloud_active_mj: float | None
    provenance: Kinds


@dataclass(frozen=True)
class Wait:
    """What the device draws while it waits for the cloud."""

    watts: float
    provenance: Provenance | None


@dataclass(frozen=True, eq=False)
class CostModel:
    """What `fit` learned; `row` is what it is for.

    `measured` holds the rows of the configurations that were measured themselves. `throttled` counts the measurements
    that were left out since the device was throttled.
    """

    measured: Mapping[Configuration, Row]
    throttled: int
    reference_khz: Mapping[Mode, int]
    heads: Mapping[tuple[HeadKey, int], HeadCost]
    curves: Mapping[tuple[Mode, int], Curve]
    waits: Mapping[WaitKey, Wait]
    tails: Mapping[TailKey, Tail]
    accuracy: Mapping[tuple[int, Codec], float | None]
    edge_only_cut: int | None

    def row(self, configuration: Configuration) -> Row:
        """The configuration's row: its head as measured where it was, else composed; InvalidInput as for `composed`.

        The tail knows nothing of the device's clock, so what was measured at all clocks goes into it: rows that differ in
        their clock alone shall not differ by the noise of the cloud.
        """
        measured = self.measured.get(self._plain(configuration))
        if measured is None:
            return self.composed(configuration)
        if not measured.uses_cloud:
            return measured
        tail = self._tail(measured.configuration)
        return replace(
            measured,
            cloud_ms=tail.cloud_ms,
            cloud_node_mj=tail.cloud_node_mj,
            cloud_active_mj=tail.cloud_active_mj,
        )

    def composed(self, configuration: Configuration) -> Row:
        """The row put together from parts, also where the configuration itself was measured.

        Its figures are `emulated` where anything in them was, else `estimated`. InvalidInput names the part that the
        measurements do not cover.
        """
        plain = self._plain(configuration)
        head = self._head(plain)
        if plain.cut == self.edge_only_cut:
            return self._composed(plain, head, _NO_WAIT, _NO_TAIL)
        return self._composed(plain, head, self._wait(plain), self._tail(plain))

    def _composed(self, configuration: Configuration, head: HeadCost, wait: Wait, tail: Tail) -> Row:
        kinds = dict.fromkeys(HEAD_FIGURES, _derived(head.provenance))
        if tail is not _NO_TAIL:
            kinds |= {"wait_w": _derived(wait.provenance)} | dict(tail.provenance)
        return Row(
            configuration=configuration,
            head_ms=head.time_ms,
            head_mj=head.energy_mj,
            wait_w=wait.watts,
            up_bytes=tail.up_bytes,
            down_bytes=tail.down_bytes,
            cloud_ms=tail.cloud_ms,
            cloud_node_mj=tail.cloud_node_mj,
            cloud_active_mj=tail.cloud_active_mj,
            accuracy=self.accuracy.get((configuration.cut, configuration.codec)),
            provenance=kinds,
        )

    def _plain(self, configuration: Configuration) -> Configuration:
        return alone(configuration) if configuration.cut == self.edge_only_cut else configuration

    def _head(self, configuration: Configuration) -> HeadCost:
        mode = mode_of(configuration)
        reference_khz = self.reference_khz.get(mode)
        if reference_khz is None:
            raise _not_covered(configuration, f"nothing was measured with tpu {mode[0]} and {mode[1]} thread(s)")
        head = self.heads.get((head_key(configuration), reference_khz))
        if head is None:
            raise _not_covered(configuration, f"its head was not measured at {_mhz(reference_khz)}")
        curve = self.curves.get((mode, configuration.cpu_khz))
        if curve is None:
            raise _not_covered(configuration, f"no head was measured both at this clock and at {_mhz(reference_khz)}")
        return curve.at_clock(head)

    def _wait(self, configuration: Configuration) -> Wait:
        wait = self.waits.get(_wait_key(configuration))
        if wait is None:
            raise _not_covered(configuration, "nothing that waits for the cloud was measured at this clock")
        return wait

    def _tail(self, configuration: Configuration) -> Tail:
        tail = self.tails.get(_tail_key(configuration))
        if tail is None:
            raise _not_covered(configuration, "its tail was not measured with this codec and cloud accelerator")
        return tail


def fit(measurements: Sequence[Measurement]) -> CostModel:
    """A model of the costs of one network on one device, from measurements of one bundle.

    Throttled measurements are left out. InvalidInput when none is left, when devices or networks are mixed, or when a
    cut below the highest one sent nothing; BundleMismatch when bundles are mixed.
    """
    kept = usable(measurements)
    measured = rows_by_configuration(kept)
    sending = [row for row in measured.values() if row.uses_cloud]
    heads = head_costs(measured.values())
    reference_khz = reference_clocks(heads)
    return CostModel(
        measured=measured,
        throttled=len(measurements) - len(kept),
        reference_khz=reference_khz,
        heads=heads,
        curves=curves(heads, reference_khz),
        waits={key: _average_wait(rows) for key, rows in _grouped(sending, _wait_key).items()},
        tails={key: _average_tail(rows) for key, rows in _grouped(sending, _tail_key).items()},
        accuracy={(row.configuration.cut, row.configuration.codec): row.accuracy for row in measured.values()},
        edge_only_cut=next((row.configuration.cut for row in measured.values() if not row.uses_cloud), None),
    )


def _wait_key(configuration: Configuration) -> WaitKey:
    return configuration.edge_accelerator, configuration.cpu_khz


def _tail_key(configuration: Configuration) -> TailKey:
    return configuration.cut, configuration.codec, configuration.cloud_accelerator


def _grouped(rows: Iterable[Row], key_of: Callable[[Configuration], Key]) -> dict[Key, list[Row]]:
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key_of(row.configuration)].append(row)
    return groups


def _average_wait(rows: Sequence[Row]) -> Wait:
    return Wait(median(row.wait_w for row in rows), _kind(rows, "wait_w"))


def _average_tail(rows: Sequence[Row]) -> Tail:
    active_mj = median_known(row.cloud_active_mj for row in rows)
    figures = ("cloud_ms", "cloud_node_mj") if active_mj is None else ("cloud_ms", "cloud_node_mj", "cloud_active_mj")
    return Tail(
        up_bytes=round(median(row.up_bytes for row in rows)),
        down_bytes=round(median(row.down_bytes for row in rows)),
        cloud_ms=median(row.cloud_ms for row in rows),
        cloud_node_mj=median(row.cloud_node_mj for row in rows),
        cloud_active_mj=active_mj,
        provenance={figure: _derived(_kind(rows, figure)) for figure in figures},
    )


def _kind(rows: Iterable[Row], figure: str) -> Provenance | None:
    return least_certain(row.provenance[figure] for row in rows if figure in row.provenance)


def _derived(kind: Provenance | None) -> Provenance:
    """What a figure is that was worked out from figures of this kind."""
    return Provenance.EMULATED if kind is Provenance.EMULATED else Provenance.ESTIMATED


def _not_covered(configuration: Configuration, reason: str) -> InvalidInput:
    return InvalidInput(f"the measurements do not cover {configuration}: {reason}; profile it first")


def _mhz(khz: int) -> str:
    return f"{khz / 1000:.0f} MHz"


_NO_WAIT = Wait(watts=0.0, provenance=None)
_NO_TAIL = Tail(up_bytes=0, down_bytes=0, cloud_ms=0.0, cloud_node_mj=0.0, cloud_active_mj=None, provenance={})
