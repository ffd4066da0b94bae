"""Which measurement is unlike the others, where figures that are each possible make nonsense together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from protocol.errors import DynaSplitError, InvalidInput
from protocol.measurement import FIGURES, Measurement


@contextmanager
def naming_the_farthest(measurements: Sequence[Measurement], where: Sequence[str]) -> Iterator[None]:
    """Work on measurements, each with its place: what it cannot reckon with becomes InvalidInput that names the farthest."""
    try:
        yield
    except DynaSplitError:
        raise
    except (ArithmeticError, ValueError) as error:
        said = f"these measurements cannot be composed ({error!s:.60})"
        if not measurements:
            raise InvalidInput(said) from error
        raise InvalidInput(
            f"{said}; the one unlike the others is {farthest(measurements, where)}: measure that configuration again, "
            "under another tag (run)"
        ) from error


def farthest(measurements: Sequence[Measurement], where: Sequence[str]) -> str:
    """The place of the measurement with the figure that is the most times above or below the middle one of all, and the
    figure."""
    figures = [dict(_figures(measurement)) for measurement in measurements]
    middles = {
        name: median([each[name] for each in figures if name in each]) for name in {n for each in figures for n in each}
    }
    place, name = max(
        ((place, name) for place, each in enumerate(figures) for name in each),
        key=lambda found: abs(math.log(figures[found[0]][found[1]]) - math.log(middles[found[1]])),
    )
    return f"{where[place]}, with {name} {figures[place][name]:g} where the middle one is {middles[name]:g}"


def _figures(measurement: Measurement) -> Iterator[tuple[str, float]]:
    """Those above 0: nothing is many times 0. Every measurement has a clock."""
    yield "cpu_khz", measurement.configuration.cpu_khz
    for name in (*FIGURES, "up_bytes", "down_bytes"):
        if value := getattr(measurement.cost, name):
            yield name, value
