"""Measurements that should be alike and are not: the watts of the device, the time of a tail.

No fit is needed where many measurements share all that the figure depends on: the median of the group is what is expected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import TypeVar

from protocol.configuration import CloudAccelerator, Codec, EdgeAccelerator
from protocol.measurement import Measurement

_LEAST = 8
"""A group of fewer tells nobody apart."""
_FAR_OFF = {"edge_w": 0.15, "cloud_ms": 0.25}
"""In the logarithm. What else is plugged into a device shifts its watts by a tenth; a shared cloud is no more exact."""
_CERTAIN = 5.0
_MAD_TO_DEVIATION = 1.4826
_ALIKE = 0.03

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Suspect:
    """A measurement, the figure of it that contradicts the rest, and the likely cause. `ratio` = recorded / expected."""

    measurement_index: int
    figure: str
    recorded: float
    expected: float
    ratio: float
    cause: str


def grouped_places(places: Iterable[int], key_of: Callable[[int], Key]) -> dict[Key, list[int]]:
    groups: dict[Key, list[int]] = defaultdict(list)
    for place in places:
        groups[key_of(place)].append(place)
    return groups


_Watts = tuple[str, EdgeAccelerator, int, int]
"""Kind of run, edge accelerator, threads, clock in kHz."""


def watts_apart(measurements: Sequence[Measurement], places: Sequence[int]) -> list[Suspect]:
    """Runs of one kind (cloud-only, edge-only, cut) in which the device drew other watts than in all alike ones.

    `edge_w` is mJ / ms over the whole request.
    """
    watts = {place: drawn for place in places if (drawn := _edge_w(measurements[place])) > 0}
    groups = grouped_places(watts, lambda place: _watts_key(measurements[place]))
    usual = {key: median(watts[place] for place in group) for key, group in groups.items()}
    return _apart("edge_w", watts, groups, cause_of=lambda key, drawn_w: _watts_cause(key, drawn_w, usual))


def tails_apart(measurements: Sequence[Measurement], places: Sequence[int]) -> list[Suspect]:
    """Tails that took far longer or shorter than the same tail did otherwise."""
    times_ms = {place: measurements[place].cost.cloud_ms for place in places if measurements[place].cost.cloud_ms > 0}
    groups = grouped_places(times_ms, lambda place: _tail_key(measurements[place]))
    usual = {key: median(times_ms[place] for place in group) for key, group in groups.items()}
    return _apart("cloud_ms", times_ms, groups, cause_of=lambda key, took_ms: _tail_cause(key, took_ms, usual))


def _apart(
    figure: str,
    figures: Mapping[int, float],
    groups: Mapping[Key, Sequence[int]],
    *,
    cause_of: Callable[[Key, float], str | None],
) -> list[Suspect]:
    suspects = []
    for key, group in groups.items():
        if len(group) < _LEAST:
            continue
        expected = median(figures[place] for place in group)
        deviation = _MAD_TO_DEVIATION * median(abs(log(figures[place] / expected)) for place in group)
        for place in group:
            recorded = figures[place]
            off = abs(log(recorded / expected))
            if off > max(_FAR_OFF[figure], _CERTAIN * deviation) and (cause := cause_of(key, recorded)):
                suspects.append(Suspect(place, figure, recorded, expected, recorded / expected, cause))
    return suspects


def _edge_w(measurement: Measurement) -> float:
    cost = measurement.cost
    return cost.edge_mj / cost.latency_ms if cost.latency_ms else 0.0


def _watts_key(measurement: Measurement) -> _Watts:
    configuration = measurement.configuration
    kind = "cloud-only" if not configuration.cut else "cut" if measurement.cost.up_bytes else "edge-only"
    return kind, configuration.edge_accelerator, configuration.threads, configuration.cpu_khz


def _watts_cause(key: _Watts, drawn_w: float, usual: Mapping[_Watts, float]) -> str | None:
    """None for a run that is cut and draws what nothing explains: its watts depend on where it is cut."""
    kind, accelerator, _, cpu_khz = key
    plugged = [watts for other, watts in usual.items() if other[1] is not EdgeAccelerator.OFF and other[3] == cpu_khz]
    if accelerator is EdgeAccelerator.OFF and plugged and abs(log(drawn_w / min(plugged))) < log(drawn_w / usual[key]):
        return "draws as if a TPU was plugged in"
    return None if kind == "cut" else f"no known fault: {usual[key]:.2f} W are usual for such a run"


def _tail_key(measurement: Measurement) -> tuple[int, Codec, CloudAccelerator]:
    configuration = measurement.configuration
    return configuration.cut, configuration.codec, configuration.cloud_accelerator


def _tail_cause(
    key: tuple[int, Codec, CloudAccelerator],
    took_ms: float,
    usual: Mapping[tuple[int, Codec, CloudAccelerator], float],
) -> str:
    cut, codec, cloud = key
    for other in CloudAccelerator:
        there_ms = usual.get((cut, codec, other))
        if other is not cloud and there_ms and abs(log(took_ms / there_ms)) < _ALIKE * 2:
            return f"looks like cloud {other}"
    return f"no known fault: {usual[key]:.0f} ms are usual for this tail"
