"""A meter that follows a script, for tests and trials without hardware."""

from __future__ import annotations

import bisect
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hardware.clock import Clock
from hardware.power.meter import MeterLost, Reading
from protocol.configuration import Provenance
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Step:
    """From `from_s` on (seconds after the meter was made) the device draws `watts`; None: the meter is lost."""

    from_s: float
    watts: float | None


class ScriptedMeter:
    """Power by a script of steps, on the clock handed in.

    Like a real meter it shows a new value every `period_s` (0: at every moment). With `counts_joules` its readings
    carry the script's exact energy; while the meter is lost, nothing is counted.
    """

    provenance = Provenance.EMULATED

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        clock: Clock = time.monotonic,
        period_s: float = 0.0,
        counts_joules: bool = False,
    ) -> None:
        starts = [step.from_s for step in steps]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise InvalidInput(f"a meter's script starts at 0 s and its times grow, unlike {starts}")
        self.period_s = period_s
        self._steps = tuple(steps)
        self._starts = starts
        self._clock = clock
        self._counts_joules = counts_joules
        self._began_s = clock()

    def read(self) -> Reading:
        at_s = self._clock()
        shown_s = at_s - self._began_s
        if self.period_s:
            shown_s -= shown_s % self.period_s
        watts = self._steps[bisect.bisect_right(self._starts, shown_s) - 1].watts
        if watts is None:
            raise MeterLost("the scripted meter is lost at this time; wait for a later step of its script")
        return Reading(watts=watts, joules=self._joules(shown_s) if self._counts_joules else None, at_s=at_s)

    def _joules(self, until_s: float) -> float:
        ends = [*self._starts[1:], float("inf")]
        return sum(
            (step.watts or 0.0) * max(0.0, min(until_s, end) - step.from_s)
            for step, end in zip(self._steps, ends, strict=True)
        )
