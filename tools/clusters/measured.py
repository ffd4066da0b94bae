"""What devices took for the heads of a bundle, as they were measured, for plans over such devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.manifest import Manifest
from models.stages import crossing
from planner.costs.composition import CostModel, fit
from planner.pipeline.instance import Floats
from planner.recording import recorded
from protocol.configuration import CloudAccelerator, Codec, Configuration, Provenance
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from tools.measurements.sources import contents


@dataclass(frozen=True)
class Heads:
    """Seconds from the input to each cut point behind it, with encoding what crosses as `raw`, and the kinds in them."""

    seconds: Floats
    kinds: frozenset[Provenance]


@dataclass(frozen=True, eq=False)
class MeasuredDevice:
    """A device whose heads were measured, and what these tell of those that were not."""

    name: str
    costs: CostModel

    @property
    def highest_khz(self) -> int:
        """The highest clock at which it was measured."""
        return max(item.cpu_khz for item in self.costs.measured)

    def heads(self, cuts: Sequence[int], clock_khz: int, threads: int) -> Heads:
        """For all cut points but 0. InvalidInput for what the measurements do not tell."""
        cloud = next(iter(sorted(self.costs.clouds)), CloudAccelerator.CPU)
        rows = [
            self.costs.row(Configuration(cut, clock_khz, cloud_accelerator=cloud, threads=threads)) for cut in cuts[1:]
        ]
        seconds = np.array([row.head_ms / 1e3 for row in rows])
        return Heads(seconds, frozenset(row.provenance.get("head_ms", Provenance.ESTIMATED) for row in rows))

    def sent_bytes(self, cut: int, codec: Codec) -> int | None:
        """What crossed at a cut with a codec; None where nobody measured it."""
        sent = self.costs.bytes.get((cut, codec))
        return sent[0] if sent else None


def measured_devices(
    sources: Iterable[str], manifest: Manifest, digest: str, *, token: str = ""
) -> dict[str, MeasuredDevice]:
    """The devices in these sources by name; InvalidInput where no measurement is of the bundle with this digest."""
    found: defaultdict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for source in sources:
        before = sum(map(len, found.values()))
        for where, content in contents(source, {"bundle": digest}, token=token):
            entry = parse_object(content, what=where) if isinstance(content, str) else content
            if entry.get("bundle") == digest:
                found[str(entry.get("device", ""))].append((where, entry))
        if sum(map(len, found.values())) == before:
            raise InvalidInput(
                f"measurements {source:.200}: none is of bundle {digest:.12}: run dynasplit profile first"
            )
    raw = {(cut, Codec.RAW): (_bytes(manifest, cut), 0) for cut in manifest.cuts[:-1]}
    return {
        name: MeasuredDevice(name, fit(recorded(entries, {}).measurements, boundaries=raw))
        for name, entries in found.items()
    }


def _bytes(manifest: Manifest, cut: int) -> int:
    return sum(spec.nbytes for spec in crossing(manifest, cut))
