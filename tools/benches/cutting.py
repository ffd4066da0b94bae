"""What cutting costs, how large the bundles are, and whether every cut answers as the whole network does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.bundle import SIGNATURES, Bundle
from models.cutting.exactness import inexact_cuts, random_samples
from models.cutting.plain import make_bundle
from models.running.interpreter_runner import InterpreterEngine
from models.running.litert_runner import CompiledEngine, weight_cache
from models.running.runner import Engine, SignatureRunner
from tools.benches.figures import Target, evenly
from tools.benches.isolated import apart, memory_mib, timed

ENGINES = ("compiled", "interpreter")

BYTES_PER_OPERATOR_AND_CUT = 1024
SIZE_RATIO = 1.02
CUT_CPU_S = 10.0

_LARGE_BYTES = 50_000_000
_MOST_CUTS = 40
_MEMORY_BYTES = 2 << 30
"""For heads and tails that the interpreter keeps open: the benchmark must fit beside other work."""


def facts(network: Path, folder: Path, *, samples: int, most_cuts: int | None = None) -> dict[str, Any]:
    """Of one network cut at all its one-tensor cuts (`single`) and at all possible ones (`all`).

    Whether they answer as the whole does is tried at no more than `most_cuts`, evenly spread.
    """
    found = {}
    for cuts in ("single", "all"):
        bundle = folder / f"{network.stem}-{cuts}"
        found[cuts] = apart(cut, network=str(network), bundle=str(bundle), cuts=cuts)
    exact = {
        engine: apart(
            inexact, bundle=str(folder / f"{network.stem}-all"), engine=engine, samples=samples, most_cuts=most_cuts
        )
        for engine in ENGINES
    }
    return {**found, "inexact": exact}


def targets(name: str, found: Mapping[str, Any]) -> list[Target]:
    """What holds for every network, and what is asked of VGG16."""
    sizes = [
        Target(
            f"{name}: bytes per operator and cut, --cuts {cuts}",
            found[cuts]["bytes_per_operator_and_cut"],
            BYTES_PER_OPERATOR_AND_CUT,
            "bytes",
        )
        for cuts in ("single", "all")
    ]
    exact = [
        Target(f"{name}: inexact cuts of {result['cuts']}, {engine}", len(result["inexact"]), 0, "cuts")
        for engine, result in found["inexact"].items()
    ]
    if name != "vgg16-fp32":
        return exact + sizes
    ratio = Target(f"{name}: all splits over the network's size", found["all"]["size_ratio"], SIZE_RATIO, "x")
    return [*exact, *sizes, ratio, Target(f"{name}: CPU to cut", found["all"]["cpu_s"], CUT_CPU_S, "s")]


def cut(network: str, bundle: str, cuts: str) -> dict[str, Any]:
    """Measured: the CPU time of `make_bundle`, and what it made."""
    with timed() as cost:
        made = make_bundle(Path(network), Path(bundle), name=Path(network).stem, cuts=cuts)
    inner = len(made.manifest.cuts) - 2
    before, after = Path(network).stat().st_size, made.artifact(SIGNATURES).stat().st_size
    whole = sum(path.stat().st_size for path in made.folder.iterdir())
    return {
        "operators": made.manifest.operator_count,
        "cuts": inner,
        "network_bytes": before,
        "flatbuffer_bytes": after,
        "bundle_bytes": whole,
        "size_ratio": round(whole / before, 4),
        "bytes_per_operator_and_cut": round((after - before) / made.manifest.operator_count / max(inner, 1), 1),
        "cpu_s": round(cost.cpu_s, 2),
        "wall_s": round(cost.wall_s, 2),
        **{name: value for name, value in memory_mib().items() if name in ("peak_rss_mib", "largest_child_mib")},
    }


def inexact(bundle: str, engine: str, samples: int, most_cuts: int | None) -> dict[str, Any]:
    """Which cuts give other bits than the whole network run by the same engine, on random inputs.

    With the interpreter each head and tail packs weights of its own, so of a large network it tries some cuts only.
    """
    opened = Bundle.open(Path(bundle))
    runner = SignatureRunner(opened.manifest, _engine(opened, engine))
    large = engine == "interpreter" and opened.artifact(SIGNATURES).stat().st_size > _LARGE_BYTES
    points = opened.manifest.cut_points
    most = min(most_cuts or len(points), _MOST_CUTS if large else len(points))
    tried = replace(opened.manifest, cut_points=evenly(points, most))
    with timed() as cost:
        wrong = inexact_cuts(tried, runner, list(random_samples(opened.manifest, samples)))
    return {
        "runtime": runner.runtime,
        "cuts": len(tried.cuts),
        "possible_cuts": len(opened.manifest.cuts),
        "inexact": list(wrong),
        "samples": samples,
        "cpu_s": round(cost.cpu_s, 1),
    }


def _engine(bundle: Bundle, name: str) -> Engine:
    if name == "interpreter":
        return InterpreterEngine(bundle, memory_bytes=_MEMORY_BYTES)
    return CompiledEngine(bundle, cache=weight_cache(bundle, bundle.folder.parent / "weights"))
