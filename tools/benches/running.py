"""What opening costs, how much memory all heads and tails take in one process, and what a cut adds to a run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.cutting.exactness import random_samples
from models.running.runner import Runner
from models.running.runner_choice import open_runner
from protocol.tensors import Array
from tools.benches.figures import Target, evenly, spread
from tools.benches.isolated import apart, memory_mib

RSS_MIB = 1024.0
REOPEN_MS = 100.0
LATENCY_RATIO = 1.03

_MOST_CUTS = 30


def facts(bundle: Path, cache: Path, *, repeats: int, most_cuts: int | None = None) -> dict[str, Any]:
    """Of one bundle: the first opening packs the weights, the next ones find them in `cache`.

    Memory is taken of a process that packs them as well (`first`), and of one that finds them (`warm`).
    """
    where = {"bundle": str(bundle), "cache": str(cache)}
    packing = apart(all_signatures, bundle=str(bundle), cache=f"{cache}-first")
    first = apart(opening, **where)
    latency = apart(latencies, **where, repeats=repeats, most_cuts=most_cuts or _MOST_CUTS)
    after_boot = apart(opening, **where)
    warm = [apart(opening, **where) for _ in range(max(repeats, 2))]
    return {
        "first_open_ms": first["first_answer_ms"],
        "first_open_after_a_boot_ms": after_boot["first_answer_ms"],
        "reopen_ms": spread([each["first_answer_ms"] for each in warm], 1),
        "reopen_cpu_ms": spread([each["first_answer_cpu_ms"] for each in warm], 1),
        "reopen_run_ms": spread([each["second_answer_ms"] for each in warm], 1),
        "bundle_check_ms": spread([each["bundle_check_ms"] for each in warm], 1),
        "all_signatures": {"first": packing, "warm": apart(all_signatures, **where)},
        "latency": latency,
    }


def targets(name: str, found: Mapping[str, Any]) -> list[Target]:
    """What is asked of VGG16."""
    rss = most_rss_mib(found)
    return [
        Target(f"{name}: all signatures in one process, RSS, packing or not", rss, RSS_MIB, "MiB"),
        Target(f"{name}: reopening, warm cache, to the first answer", found["reopen_ms"]["median"], REOPEN_MS, "ms"),
        Target(f"{name}: head + tail over whole, worst cut, CPU", found["latency"]["worst"], LATENCY_RATIO, "x"),
    ]


def most_rss_mib(found: Mapping[str, Any]) -> float:
    """Of the process that packs the weights and the one that finds them, what the larger one holds."""
    return max(float(process["rss_mib"]) for process in found["all_signatures"].values())


def opening(bundle: str, cache: str) -> dict[str, float]:
    """Milliseconds in a new process: checking the bundle's digests, then from `open_runner` to the answer of the first head.

    Python's and numpy's imports are over by then, LiteRT's are not. The second answer is the run alone.
    """
    started = time.perf_counter()
    opened = Bundle.open(Path(bundle))
    checked, cpu = time.perf_counter(), time.process_time()
    runner = open_runner(opened, cache_dir=Path(cache))
    cut, inputs = opened.manifest.cuts[1], _inputs(opened)
    runner.head(cut, inputs)
    answered, cpu = time.perf_counter(), time.process_time() - cpu
    runner.head(cut, inputs)
    times = {"bundle_check_ms": checked - started, "first_answer_ms": answered - checked, "first_answer_cpu_ms": cpu}
    times["second_answer_ms"] = time.perf_counter() - answered
    return {name: round(seconds * 1e3, 1) for name, seconds in times.items()}


def all_signatures(bundle: str, cache: str) -> dict[str, Any]:
    """Memory after every head and every tail has run in one process, results dropped."""
    opened = Bundle.open(Path(bundle))
    runner = open_runner(opened, cache_dir=Path(cache))
    inputs = _inputs(opened)
    for cut in opened.manifest.cuts:
        runner.tail(cut, runner.head(cut, inputs).boundary)
    return {"runtime": runner.runtime, "signatures": 2 * len(opened.manifest.cuts) - 3, **memory_mib()}


def latencies(bundle: str, cache: str, repeats: int, most_cuts: int) -> dict[str, Any]:
    """CPU time of head, then tail over that of the whole network, by cut: medians of turns in which both take part.

    The first turn opens the cut point and does not count.
    """
    opened = Bundle.open(Path(bundle))
    runner = open_runner(opened, cache_dir=Path(cache))
    inputs, cuts = _inputs(opened), evenly(opened.manifest.cuts[1:-1], most_cuts)
    turns = {
        cut: [_turn(runner, opened.manifest.operator_count, cut, inputs) for _ in range(repeats + 1)] for cut in cuts
    }
    wholes, parts = ({cut: [turn[side] for turn in turns[cut][1:]] for cut in cuts} for side in (0, 1))
    ratios = {cut: statistics.median(parts[cut]) / statistics.median(wholes[cut]) for cut in cuts}
    single = {cut: [part / whole for part, whole in zip(parts[cut], wholes[cut], strict=True)] for cut in cuts}
    return {
        "whole_cpu_ms": spread([whole for times in wholes.values() for whole in times], 2),
        "ratio_by_cut": {str(cut): round(ratio, 4) for cut, ratio in ratios.items()},
        "median": round(statistics.median(ratios.values()), 4),
        "worst": round(max(ratios.values()), 4),
        "single_turns": spread([ratio for ratios in single.values() for ratio in ratios], 4),
        "repeats": repeats,
    }


def _turn(runner: Runner, end: int, cut: int, inputs: Sequence[Array]) -> tuple[float, float]:
    """CPU milliseconds of the whole network, and of head and tail right after it."""
    times = [time.process_time()]
    runner.head(end, inputs)
    times.append(time.process_time())
    head = runner.head(cut, inputs)
    runner.tail(cut, head.boundary)
    times.append(time.process_time())
    whole, part = np.diff(times) * 1e3
    return float(whole), float(part)


def _inputs(bundle: Bundle) -> tuple[Array, ...]:
    return next(random_samples(bundle.manifest, 1))
