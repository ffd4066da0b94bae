"""What each cut and codec costs of a trained network's accuracy, on its held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.accuracy.evaluate import evaluate
from models.accuracy.samples import Samples
from models.bundle import Bundle
from models.running.runner_choice import open_runner
from protocol.configuration import Codec
from tools.benches.figures import Target
from tools.benches.isolated import apart

POINTS = 1.0

_CODECS = (Codec.RAW, Codec.FP16, Codec.INT8)
"""zstd gives back the bytes that it packed."""


def facts(bundle: Path, samples: Path, cache: Path, *, images: int | None) -> dict[str, Any]:
    """Top-1 by cut point and codec."""
    found: dict[str, Any] = apart(accuracies, bundle=str(bundle), samples=str(samples), cache=str(cache), images=images)
    return found


def targets(name: str, found: Mapping[str, Any], fp32: Mapping[str, Any]) -> list[Target]:
    """How far any cut and codec falls from the whole fp32 network, in percentage points."""
    drop = max(abs(fp32["whole"] - result["value"]) for result in found["results"])
    return [Target(f"{name}: accuracy off the whole fp32 network's, worst cut and codec", 100 * drop, POINTS, "points")]


def accuracies(bundle: str, samples: str, cache: str, images: int | None) -> dict[str, Any]:
    """Measured on the first `images` samples."""
    opened = Bundle.open(Path(bundle))
    runner = open_runner(opened, cache_dir=Path(cache))
    chosen = Samples.read(Path(samples))[:images]
    found = evaluate(runner, opened.manifest, chosen, codecs=_CODECS).by_cut_and_codec
    results = [
        {"cut": cut, "codec": str(codec), "value": round(value, 5)}
        for (cut, codec), value in sorted(found.items())
        if codec in _CODECS
    ]
    return {"images": len(chosen), "whole": round(found[0, Codec.RAW], 5), "results": results}
