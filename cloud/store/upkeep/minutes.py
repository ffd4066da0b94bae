"""Samples put together by the minute: pure arithmetic."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from cloud.store.upkeep.sources import Range, Source, Sources
from protocol.configuration import Provenance
from protocol.errors import InvalidInput
from protocol.samples import Sample

logger = logging.getLogger(__name__)

_MINUTE_S = 60


@dataclass(frozen=True)
class SampleMinute:
    """The samples of one device that ended within a minute, of one provenance and one state of its clock.

    `minute`: its beginning, wall time of the device in seconds since the epoch. `count` samples over `seconds`; of these
    `metered_s` had a meter, which the watts and `energy_mj` are of. `min_w`: the lowest mean of a sample. `mean_w`,
    `mean_temperature_c` and `mean_cpu_khz` are weighted by time. None where no sample could tell. `throttled_s`: that of samples
    which were slowed down at any moment. `sources`: which samples these were.
    """

    device: str
    minute: int
    provenance: Provenance
    clock_synced: bool
    count: int
    seconds: float
    metered_s: float
    warm_s: float
    clocked_s: float
    throttled_s: float
    energy_mj: float | None
    mean_w: float | None
    min_w: float | None
    max_w: float | None
    mean_temperature_c: float | None
    max_temperature_c: float | None
    mean_cpu_khz: float | None
    sources: tuple[Range, ...]

    @property
    def throttled_share(self) -> float:
        return self.throttled_s / self.seconds if self.seconds else 0.0

    @property
    def key(self) -> tuple[str, int, str, bool]:
        """What no two of them share."""
        return (self.device, self.minute, self.provenance.value, self.clock_synced)

    def figures(self) -> dict[str, Any]:
        """Everything but the key and the sources, as JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in (*_KEY, "sources")}

    def to_json(self) -> dict[str, Any]:
        key = dict(zip(_KEY, self.key, strict=True))
        return {**key, **self.figures(), "throttled_share": self.throttled_share}

    @classmethod
    def stored(cls, key: Sequence[Any], figures: Mapping[str, Any], sources: Iterable[Sequence[Any]]) -> SampleMinute:
        """What `key`, `figures` and `sources` were taken of. Of earlier versions these are boot and sequence of each sample."""
        device, minute, provenance, clock_synced = key
        kept = tuple((str(boot), int(ends[0]), int(ends[-1])) for boot, *ends in sources)
        return cls(device, minute, Provenance(provenance), bool(clock_synced), **figures, sources=kept)


_KEY = ("device", "minute", "provenance", "clock_synced")


def kept_minute(body: Mapping[str, Any], *, device: str, source: Source) -> SampleMinute | None:
    """As `minute_of`, of a sample as it was stored. None for one that an earlier version let in and no minute can be made of."""
    try:
        return minute_of(Sample.from_json(body), device=device, source=source)
    except InvalidInput as error:
        logger.warning("%s: sample %s of boot %s is of no use and goes: %s", device, source[1], source[0], error)
        return None


def minute_of(sample: Sample, *, device: str, source: Source) -> SampleMinute:
    """A minute with one sample in it. A stretch that began in the minute before counts where it ended."""
    seconds = max(sample.seconds, 0.0)
    return SampleMinute(
        device=device,
        minute=int(sample.at // _MINUTE_S) * _MINUTE_S,
        provenance=sample.provenance,
        clock_synced=sample.clock_synced,
        count=1,
        seconds=seconds,
        metered_s=0.0 if sample.mean_w is None else seconds,
        warm_s=0.0 if sample.temperature_c is None else seconds,
        clocked_s=0.0 if sample.cpu_khz is None else seconds,
        throttled_s=seconds if sample.throttled else 0.0,
        energy_mj=sample.energy_mj,
        mean_w=sample.mean_w,
        min_w=sample.mean_w,
        max_w=sample.max_w,
        mean_temperature_c=sample.temperature_c,
        max_temperature_c=sample.temperature_c,
        mean_cpu_khz=sample.cpu_khz,
        sources=((*source, source[1]),),
    )


def together(known: SampleMinute | None, samples: Iterable[SampleMinute]) -> SampleMinute | None:
    """The known minute with more samples, each of which is a minute of the same key: what is in already changes nothing.

    A device whose clock stands still has one minute with all of its samples: each is looked for and added once.
    """
    sources = Sources(known.sources if known else ())
    added: SampleMinute | None = None
    for each in samples:
        ((boot, sequence, _),) = each.sources
        if sources.add((boot, sequence)):
            added = _both(added, each) if added else each
    whole = _both(known, added) if known and added else known or added
    return whole and replace(whole, sources=sources.ranges())


def _both(one: SampleMinute, other: SampleMinute) -> SampleMinute:
    sums: dict[str, Any] = {name: getattr(one, name) + getattr(other, name) for name in _SUMS}
    means: dict[str, Any] = {mean: _mean(one, other, mean, weight) for mean, weight in _MEANS.items()}
    return replace(
        one,
        **sums,
        **means,
        energy_mj=_known(sum, one.energy_mj, other.energy_mj),
        min_w=_known(min, one.min_w, other.min_w),
        max_w=_known(max, one.max_w, other.max_w),
        max_temperature_c=_known(max, one.max_temperature_c, other.max_temperature_c),
    )


_SUMS = ("count", "seconds", "metered_s", "warm_s", "clocked_s", "throttled_s")
_MEANS = {"mean_w": "metered_s", "mean_temperature_c": "warm_s", "mean_cpu_khz": "clocked_s"}


def _known(choose: Any, *values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _mean(one: SampleMinute, other: SampleMinute, name: str, weight: str) -> float | None:
    pairs = [(getattr(each, name), getattr(each, weight)) for each in (one, other)]
    known = [(value, seconds) for value, seconds in pairs if value is not None]
    whole = sum(seconds for _, seconds in known)
    if not whole:
        return known[0][0] if known else None
    return float(sum(value * seconds for value, seconds in known) / whole)
