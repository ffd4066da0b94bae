"""How small each codec makes real activations, and what that costs: the boundaries of a trained network on held-out images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.accuracy.samples import Samples
from models.bundle import Bundle
from models.manifest import CutPoint
from models.running.runner_choice import open_runner
from protocol.configuration import Codec
from protocol.inference import Message, Wire, pack_request, unpack_request
from protocol.tensors import Array, decode, encode
from tools.benches.figures import Target, evenly, spread
from tools.benches.isolated import apart

SHARE = 0.20
CPU_MS_PER_MB = 1.0
CODEC = Codec.INT8_ZSTD
WAYS = ("encode", "decode")

_LEAST_BYTES = 16_384
"""Below, a request's header outweighs the tensor; such cuts are listed, but their share is held against nothing."""
_TIMED_BYTES = 8_000_000
"""Of fp32 per cut, codec and repeat: a clock tick or a switch of processes must not show."""
_MOST_ROUNDS = 20
"""For small tensors, whose cost is that of the call."""


@dataclass(frozen=True)
class _Trip:
    """One cut's activations (a list of boundaries) through one codec."""

    point: CutPoint
    boundaries: list[tuple[Array, ...]]
    codec: Codec

    def pack(self, boundary: Iterable[Array]) -> Wire:
        sent = tuple(encode(array, spec, self.codec) for array, spec in zip(boundary, self.point.boundary, strict=True))
        return pack_request(Message(sent), compress=self.codec.compressed)

    def unpack(self, wire: Wire) -> None:
        tensors = unpack_request(wire.headers, wire.body).tensors
        for tensor, spec in zip(tensors, self.point.boundary, strict=True):
            decode(tensor, spec, self.codec)


def facts(
    bundle: Path, samples: Path, cache: Path, *, images: int, repeats: int, most_cuts: int | None = None
) -> dict[str, Any]:
    """By cut point and codec, and over all cut points together; of no more than `most_cuts`, evenly spread."""
    where = {"bundle": str(bundle), "samples": str(samples), "cache": str(cache)}
    found: dict[str, Any] = apart(codecs, **where, images=images, repeats=repeats, most_cuts=most_cuts)
    return found


def targets(name: str, found: Mapping[str, Any]) -> list[Target]:
    """What is asked of int8 with zstd: the share over all cut points, and what a further megabyte costs."""
    codec = found["together"][str(CODEC)]
    return [
        Target(f"{name}: {CODEC}, bytes over fp32, all cuts together", codec["share"], SHARE, "x"),
        *(
            Target(
                f"{name}: {CODEC}, {way[:-1]}ing, CPU per further MB of fp32",
                codec[f"{way}_slope_ms_per_mb"],
                CPU_MS_PER_MB,
                "ms",
            )
            for way in WAYS
        ),
    ]


def codecs(bundle: str, samples: str, cache: str, images: int, repeats: int, most_cuts: int | None) -> dict[str, Any]:
    """Measured: bytes of the packed request, CPU milliseconds per megabyte (10^6) of fp32, each way, medians of repeats."""
    opened = Bundle.open(Path(bundle))
    runner = open_runner(opened, cache_dir=Path(cache))
    inputs = Samples.read(Path(samples))[:images].scaled(opened.manifest)
    cuts = []
    for point in evenly(opened.manifest.cut_points[:-1], most_cuts):
        boundaries = [runner.head(point.index, [image[None]]).boundary for image in inputs]
        by_codec = {str(codec): _costs(_Trip(point, boundaries, codec), repeats) for codec in Codec}
        cuts.append({"cut": point.index, "name": point.name, "fp32_bytes": point.boundary_bytes, "codecs": by_codec})
    return {
        "images": len(inputs),
        "cuts": cuts,
        "together": {str(codec): _together(cuts, str(codec)) for codec in Codec},
    }


def _costs(trip: _Trip, repeats: int) -> dict[str, Any]:
    sent = [trip.pack(boundary) for boundary in trip.boundaries]
    whole = trip.point.boundary_bytes * len(sent)
    rounds = min(_TIMED_BYTES // whole + 1, _MOST_ROUNDS)
    encoding, decoding = [], []
    for _ in range(repeats):
        times = [time.process_time()]
        for _ in range(rounds):
            for boundary in trip.boundaries:
                trip.pack(boundary)
        times.append(time.process_time())
        for _ in range(rounds):
            for wire in sent:
                trip.unpack(wire)
        times.append(time.process_time())
        per_mb = 1e9 / (whole * rounds)
        encoding.append((times[1] - times[0]) * per_mb)
        decoding.append((times[2] - times[1]) * per_mb)
    return {
        "share": round(sum(len(wire.body) for wire in sent) / whole, 4),
        "encode_ms_per_mb": spread(encoding),
        "decode_ms_per_mb": spread(decoding),
    }


def _together(cuts: list[dict[str, Any]], codec: str) -> dict[str, Any]:
    """Means weighted by bytes, over the cut points whose tensors outweigh a request's header; and the lines through all."""
    large = [cut for cut in cuts if cut["fp32_bytes"] >= _LEAST_BYTES] or cuts
    weights = [cut["fp32_bytes"] for cut in large]
    parts = [cut["codecs"][codec] for cut in large]
    shares = [part["share"] for part in parts]
    found = {"share": round(statistics.fmean(shares, weights), 4), "worst_share": max(shares)}
    for way in WAYS:
        costs = [part[f"{way}_ms_per_mb"]["median"] for part in parts]
        found[f"{way}_ms_per_mb"] = round(statistics.fmean(costs, weights), 3)
        fixed, slope = _line(cuts, codec, way)
        found |= {f"{way}_fixed_ms": round(fixed, 4), f"{way}_slope_ms_per_mb": round(slope, 3)}
    return found


def _line(cuts: list[dict[str, Any]], codec: str, way: str) -> tuple[float, float]:
    """What a request costs in any case (ms), and each megabyte of fp32 in it (ms): least squares over the cut points.

    With tensors of one size only nothing can be told apart: all of it is slope.
    """
    sizes = [cut["fp32_bytes"] / 1e6 for cut in cuts]
    costs = [size * cut["codecs"][codec][f"{way}_ms_per_mb"]["median"] for size, cut in zip(sizes, cuts, strict=True)]
    if len(set(sizes)) == 1:
        return 0.0, statistics.fmean(costs) / sizes[0]
    slope, fixed = statistics.linear_regression(sizes, costs)
    return fixed, slope
