"""From raw measurements to one row a configuration: medians, so that a straggler does not count.

Edge-only runs send nothing: codec and cloud accelerator mean nothing to them, and are set to `raw` and `cpu`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from protocol.configuration import CloudAccelerator, Codec, Configuration, Provenance
from protocol.errors import BundleMismatch, InvalidInput
from protocol.link import Link
from protocol.measurement import Cost, Measurement
from protocol.table import Row

HEAD_FIGURES = ("head_ms", "head_mj")
CLOUD_FIGURES = ("wait_w", "cloud_ms", "cloud_node_mj", "cloud_active_mj")

_SOURCES = {"wait_w": "wait_mj"}
_LEAST_CERTAIN_FIRST = (Provenance.EMULATED, Provenance.ESTIMATED, Provenance.MEASURED)


def alone(configuration: Configuration) -> Configuration:
    """The configuration of an edge-only run, without what is about a cloud that it does not use."""
    return replace(configuration, codec=Codec.RAW, cloud_accelerator=CloudAccelerator.CPU)


def asked_for(measurement: Measurement) -> Configuration:
    """The configuration as a space names it: an edge-only run knows nothing of the cloud."""
    return measurement.configuration if measurement.cost.up_bytes else alone(measurement.configuration)


def usable(measurements: Iterable[Measurement]) -> list[Measurement]:
    """The measurements that were not throttled.

    InvalidInput when none is left, when they mix networks or devices, or when one below the highest cut sent nothing;
    BundleMismatch when they mix bundles.
    """
    kept = [item for item in measurements if not item.throttled]
    if not kept:
        raise InvalidInput("there is no measurement that was not throttled: cool the device and profile it again")
    for name, error in (("network", InvalidInput), ("bundle", BundleMismatch), ("device", InvalidInput)):
        if len(found := sorted({getattr(item, name) for item in kept})) > 1:
            raise error(f"the measurements are of several {name}s ({', '.join(found)}): choose one")
    last = max(item.configuration.cut for item in kept)
    if stray := [item for item in kept if item.configuration.cut < last and not item.cost.up_bytes]:
        raise InvalidInput(
            f"a measurement of {stray[0].configuration} sent nothing, though the network goes on to cut {last}: "
            "that request did not run as asked; measure it again"
        )
    return kept


def by_configuration(measurements: Iterable[Measurement]) -> dict[Configuration, list[Measurement]]:
    """The measurements of each configuration, in the order of first sight."""
    groups: dict[Configuration, list[Measurement]] = defaultdict(list)
    for item in measurements:
        groups[asked_for(item)].append(item)
    return groups


def rows_by_configuration(measurements: Iterable[Measurement]) -> dict[Configuration, Row]:
    """A row for each configuration that was measured, in the order of first sight.

    `accuracy` does not depend on clocks, threads or accelerators: it is the median of all who evaluated this cut with
    this codec, None where nobody did.
    """
    groups = by_configuration(measurements)
    accuracy = _accuracies(groups)
    return {
        configuration: _row(configuration, [item.cost for item in group], accuracy=accuracy.get(_cut(configuration)))
        for configuration, group in groups.items()
    }


def median_link(measurements: Collection[Measurement]) -> Link:
    """The link that the measurements saw, each figure by itself."""
    return Link(
        rtt_ms=median(item.link.rtt_ms for item in measurements),
        up_bytes_per_ms=median(item.link.up_bytes_per_ms for item in measurements),
        down_bytes_per_ms=median(item.link.down_bytes_per_ms for item in measurements),
    )


def least_certain(kinds: Iterable[Provenance]) -> Provenance | None:
    """What to call a figure made of such figures; None when nobody said what they were."""
    found = set(kinds)
    return next((kind for kind in _LEAST_CERTAIN_FIRST if kind in found), None)


def median_known(figures: Iterable[float | None]) -> float | None:
    """The median of the figures that are known, None when none is."""
    known = [figure for figure in figures if figure is not None]
    return median(known) if known else None


def _cut(configuration: Configuration) -> tuple[int, Codec]:
    return configuration.cut, configuration.codec


def _accuracies(groups: Mapping[Configuration, Sequence[Measurement]]) -> dict[tuple[int, Codec], float | None]:
    figures: dict[tuple[int, Codec], list[float | None]] = defaultdict(list)
    for configuration, group in groups.items():
        figures[_cut(configuration)] += [item.accuracy for item in group]
    return {cut: median_known(found) for cut, found in figures.items()}


def _row(configuration: Configuration, costs: Sequence[Cost], *, accuracy: float | None) -> Row:
    up_bytes = round(median(cost.up_bytes for cost in costs))
    sends = up_bytes > 0
    return Row(
        configuration=configuration,
        head_ms=median(cost.head_ms for cost in costs),
        head_mj=median(cost.head_mj for cost in costs),
        wait_w=median(_waiting_w(cost) for cost in costs) if sends else 0.0,
        up_bytes=up_bytes,
        down_bytes=round(median(cost.down_bytes for cost in costs)) if sends else 0,
        cloud_ms=median(cost.cloud_ms for cost in costs) if sends else 0.0,
        cloud_node_mj=median(cost.cloud_node_mj for cost in costs) if sends else 0.0,
        cloud_active_mj=median_known(cost.cloud_active_mj for cost in costs) if sends else None,
        accuracy=accuracy,
        provenance=_provenance(costs, HEAD_FIGURES + CLOUD_FIGURES if sends else HEAD_FIGURES),
    )


def _waiting_w(cost: Cost) -> float:
    """mJ / ms = W."""
    waited_ms = cost.transfer_ms + cost.cloud_ms
    return cost.wait_mj / waited_ms if waited_ms else 0.0


def _provenance(costs: Sequence[Cost], figures: Iterable[str]) -> dict[str, Provenance]:
    kinds = {}
    for figure in figures:
        source = _SOURCES.get(figure, figure)
        known = [cost for cost in costs if source in cost.provenance and getattr(cost, source) is not None]
        kind = least_certain(cost.provenance[source] for cost in known)
        if kind is not None:
            kinds[figure] = kind
    return kinds
