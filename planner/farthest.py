"""Which measurement is unlike the others, for whoever has to look at one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from planner.recording import Recorded
from protocol.measurement import FIGURES, Measurement


def farthest(recorded: Recorded) -> str:
    """The place of the measurement with the figure that is the most times above or below the middle one of all, and the
    figure."""
    figures = [dict(_figures(measurement)) for measurement in recorded.measurements]
    middles = {
        name: median([each[name] for each in figures if name in each]) for name in {n for each in figures for n in each}
    }
    place, name = max(
        ((place, name) for place, each in enumerate(figures) for name in each),
        key=lambda found: abs(math.log(figures[found[0]][found[1]]) - math.log(middles[found[1]])),
    )
    return f"{recorded.where[place]}, with {name} {figures[place][name]:g} where the middle one is {middles[name]:g}"


def _figures(measurement: Measurement) -> Iterator[tuple[str, float]]:
    """Those above 0: nothing is many times 0. Every measurement has a clock."""
    yield "cpu_khz", measurement.configuration.cpu_khz
    for name in (*FIGURES, "up_bytes", "down_bytes"):
        if value := getattr(measurement.cost, name):
            yield name, value
