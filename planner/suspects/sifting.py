"""Measurements without those that contradict the rest, and what the others are still good for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner.suspects.finding import Suspect, find
from protocol.errors import InvalidInput
from protocol.measurement import Measurement


@dataclass(frozen=True, eq=False)
class Sifted:
    """`sound`: what contradicts nothing. `late`: what is suspect of having taken or drawn more than it should: it did happen,
    and tells how far requests may be off. What is left of the suspects looks better than it can be, as when the clock was
    higher than the label says, and tells nothing."""

    sound: Sequence[Measurement]
    late: Sequence[Measurement]
    suspects: Sequence[Suspect]

    @classmethod
    def of(cls, measurements: Sequence[Measurement], *, trust_all: bool = False) -> Sifted:
        """With `trust_all` the suspects are sound as well, but told."""
        suspects = find(measurements)
        accused = set() if trust_all else {suspect.measurement_index for suspect in suspects}
        flattered = {suspect.measurement_index for suspect in suspects if suspect.ratio < 1}
        return cls(
            sound=[item for place, item in enumerate(measurements) if place not in accused],
            late=[measurements[place] for place in sorted(accused - flattered)],
            suspects=suspects,
        )

    @property
    def happened(self) -> list[Measurement]:
        """All that requests may meet: what is sound, and what was late."""
        return [*self.sound, *self.late]

    def check(self) -> None:
        """InvalidInput where nothing is sound."""
        if not self.sound:
            raise InvalidInput("every measurement contradicts the others: measure again, or trust all of them")
