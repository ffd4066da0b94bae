"""How long records are kept."""

from __future__ import annotations

from dataclasses import dataclass, fields

from protocol.errors import InvalidInput

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Retention:
    """How long what is kept, in seconds; 0: for ever. Measurements are never deleted.

    Samples older than `raw_samples_s` are put together by the minute (0: never). Of dead letters there are at most
    `most_dead_letters`. `keep_drafts_s`: drafts whose content no device was ever to use. `keep_ended_s`: rollouts, computations and
    jobs, from their end on. Tables that a device was ever to use are never deleted.
    """

    raw_samples_s: float = 7 * _DAY_S
    keep_inferences_s: float = 0.0
    keep_samples_s: float = 0.0
    keep_dead_letters_s: float = 0.0
    keep_drafts_s: float = 90 * _DAY_S
    keep_ended_s: float = 90 * _DAY_S
    most_dead_letters: int = 10_000

    def __post_init__(self) -> None:
        for name in (each.name for each in fields(self) if each.name.endswith("_s")):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InvalidInput(f"setting '{name}' must be 0 (for ever) or more, not {getattr(self, name)}")
        if self.most_dead_letters < 1:
            raise InvalidInput(f"setting 'most_dead_letters' must be 1 or more, not {self.most_dead_letters}")
        if 0 < self.keep_samples_s < self.raw_samples_s:
            raise InvalidInput(
                f"setting 'keep_samples_s' ({self.keep_samples_s:g}) is less than 'raw_samples_s' ({self.raw_samples_s:g}): "
                "samples would go before they are put together; set raw_samples_s to 0 if that is meant"
            )
