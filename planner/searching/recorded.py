"""A world to measure in that others recorded: asking for a configuration gives one of its recorded trials."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.averages import alone, by_configuration
from protocol.configuration import Configuration
from protocol.measurement import Measurement


class RecordedTrials:
    """A `planner.searching.campaign.Measurer`: of each configuration one of its recorded trials; nothing where none was recorded.

    Which trial is drawn at the start, for all configurations, so that whoever asks meets the same world in whatever
    order.
    """

    def __init__(self, measurements: Sequence[Measurement], rng: np.random.Generator) -> None:
        trials = by_configuration(measurements)
        draws = rng.random(len(trials))
        self._drawn = {
            configuration: found[int(draw * len(found))]
            for (configuration, found), draw in zip(trials.items(), draws, strict=True)
        }

    def measure(self, configuration: Configuration) -> Sequence[Measurement]:
        found = self._drawn.get(configuration) or self._drawn.get(alone(configuration))
        return [] if found is None or not _same(found, configuration) else [found]


def _same(found: Measurement, configuration: Configuration) -> bool:
    """An edge-only trial answers whatever codec and cloud accelerator it is asked with."""
    return found.configuration == configuration or not found.cost.up_bytes
