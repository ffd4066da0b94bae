"""How well costs compose on the published trials, how honest the uncertainty is, and which trials are suspect.

The truth that suspects are held against is worked out here by least absolute deviations of the logarithms over cuts and
clocks, with nothing of the code that finds them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from planner.costs.composition import CostModel, fit
from planner.suspects.finding import Suspect, find
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.measurement import Cost, Measurement
from tools.benches.figures import Target, evenly, spread
from tools.measurements.published import Recorded, read_published

NETWORKS = ("vgg16", "vit")
SHARES = (0.05, 0.10, 0.20)
SEEDS = 5
MOST_CELLS = 45
FAR_OFF, FIRST_CUT = 0.25, 3
"""A CPU head is off from here on, and from this cut on it is long enough to tell."""

_FIGURES: Mapping[str, Callable[[Cost], float]] = {
    "head_ms": lambda cost: cost.head_ms,
    "cloud_ms": lambda cost: cost.cloud_ms,
    "cloud_node_mj": lambda cost: cost.cloud_node_mj,
}


def facts(reference: Path) -> dict[str, Any]:
    """All figures, by network where there are several."""
    pools = {
        network: read_published(reference / "dynasplit" / f"simulation_pool_{network}.csv") for network in NETWORKS
    }
    suspects = {network: find(pool.measurements) for network, pool in pools.items()}
    return {
        "cpu_heads": cpu_heads(pools["vgg16"]),
        "held_out": {
            network: {f"{share:.0%}": held_out(pool, suspects[network], share) for share in SHARES}
            for network, pool in pools.items()
        },
        "suspects": {network: accused(pool, suspects[network]) for network, pool in pools.items()},
        "seconds": seconds(pools["vgg16"]),
    }


def targets(found: Mapping[str, Any]) -> list[Target]:
    heads, suspects = found["cpu_heads"], found["suspects"]
    return [
        Target("VGG16 CPU heads, median error", heads["median_error"] * 100, 2.0, "%"),
        Target("cells measured for it", heads["cells"], MOST_CELLS, "cells"),
        *(
            target
            for network in NETWORKS
            for target in (
                Target(f"{network}: mislabelled CPU heads missed", len(suspects[network]["missed"]), 0, "rows"),
                Target(f"{network}: sound CPU heads accused", suspects[network]["sound_accused"] * 100, 2.0, "%"),
            )
        ),
    ]


def cpu_heads(pool: Recorded) -> dict[str, Any]:
    """Head times without TPU from few cells: every cut at the highest clock, and at each other clock three cuts evenly
    spread, the last one among them. Of each cell the first trial; suspects among these are left out as ever."""
    items = [item for item in pool.measurements if _on_cpu(item.configuration, first_cut=1)]
    cuts = sorted({item.configuration.cut for item in items})
    top_khz, probes = max(item.configuration.cpu_khz for item in items), evenly(cuts, 4)[1:]
    chosen: dict[tuple[int, int], Measurement] = {}
    for item in items:
        if item.configuration.cpu_khz == top_khz or item.configuration.cut in probes:
            chosen.setdefault(_cell(item), item)
    model = fit(_without(list(chosen.values())))
    errors = [
        abs(model.composed(item.configuration).head_ms / item.cost.head_ms - 1)
        for item in items
        if _cell(item) not in chosen and model.gap(item.configuration) is None
    ]
    return {
        "cells": len(chosen),
        "rule": f"all cuts at {top_khz // 1000} MHz, cuts {', '.join(map(str, probes))} at the other clocks",
        "held_out": len(errors),
        "median_error": round(median(errors), 5),
        "p90_error": round(float(np.quantile(errors, 0.9)), 5),
    }


def held_out(pool: Recorded, suspects: Sequence[Suspect], share: float) -> dict[str, Any]:
    """Trials that were not used, against predictions from a random share of the space. Suspects among the used ones are not
    known beforehand; those among the held-out ones are no measure. Empty where the pool holds too little more than the share."""
    if len({item.configuration for item in pool.measurements}) < 1.2 * share * pool.space.size:
        return {}
    accused_places = {suspect.measurement_index for suspect in suspects}
    runs = [_held_out(pool, accused_places, share, np.random.default_rng(seed)) for seed in range(SEEDS)]
    return {"seeds": SEEDS, "measured": round(share * pool.space.size)} | {
        figure: {
            name: spread([run[figure][name] for run in runs], digits=4) for name in ("median_error", "in_1", "in_2")
        }
        for figure in _FIGURES
    }


def _held_out(
    pool: Recorded, suspects: set[int], share: float, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    configurations = list(dict.fromkeys(item.configuration for item in pool.measurements))
    order = rng.permutation(len(configurations))[: round(share * pool.space.size)]
    used = {configurations[place] for place in order}
    drawn: dict[Configuration, Measurement] = {}
    for place in rng.permutation(len(pool.measurements)):
        item = pool.measurements[place]
        if item.configuration in used:
            drawn.setdefault(item.configuration, item)
    model = fit(_without(list(drawn.values())))
    rest = [
        item
        for place, item in enumerate(pool.measurements)
        if place not in suspects and item.configuration not in used and model.gap(item.configuration) is None
    ]
    return {figure: _errors(model, rest, figure) for figure in _FIGURES}


def _errors(model: CostModel, rest: Sequence[Measurement], figure: str) -> dict[str, float]:
    off, within = [], []
    for item in rest:
        recorded, row = _FIGURES[figure](item.cost), model.composed(item.configuration)
        if recorded > 0 and item.configuration.cut > 0:
            off.append(abs(np.log(recorded / getattr(row, figure))))
            within.append(off[-1] / row.uncertainty[figure])
    inside = np.array(within)
    return {
        "median_error": float(np.median(off)),
        "in_1": float((inside < 1).mean()),
        "in_2": float((inside < 2).mean()),
    }


def accused(pool: Recorded, suspects: Sequence[Suspect]) -> dict[str, Any]:
    """The suspects, and among CPU heads how they compare with the truth."""
    heads = {suspect.measurement_index for suspect in suspects if suspect.figure == "head_ms"}
    truth = least_off(pool.measurements)
    wrong = {place for place, expected_ms in truth.items() if _far_off(pool.measurements[place], expected_ms)}
    sound = set(truth) - wrong
    anyhow = {suspect.measurement_index for suspect in suspects}
    return {
        "accused": len(suspects),
        "cpu_heads": len(truth),
        "wrong": len(wrong),
        "missed": sorted(pool.where[place] for place in wrong - heads),
        "sound_accused": round(len(sound & anyhow) / len(sound), 5),
        "on_ticks": sum("waiting tick" in suspect.cause for suspect in suspects),
        "rows": [_told(pool, suspect) for suspect in suspects],
    }


def least_off(measurements: Sequence[Measurement], rounds: int = 60) -> dict[int, float]:
    """What each CPU head should have taken (ms), by its place: the effects of cut and clock on the logarithm that leave the
    least sum of absolute deviations, each cell counted once."""
    places = [place for place, item in enumerate(measurements) if _on_cpu(item.configuration, first_cut=FIRST_CUT)]
    logs = np.log([measurements[place].cost.head_ms for place in places])
    cells = [_cell(measurements[place]) for place in places]
    columns = sorted({("cut", cut) for cut, _ in cells} | {("clock", khz) for _, khz in cells})
    effects = np.array([[name in (("cut", cut), ("clock", khz)) for name in columns] for cut, khz in cells]) * 1.0
    once = np.array([1 / cells.count(cell) for cell in cells])
    off = np.ones(len(places))
    for _ in range(rounds):
        root = np.sqrt(once / np.maximum(np.abs(off), 1e-4))
        solution = np.linalg.lstsq(effects * root[:, None], logs * root)[0]
        off = logs - effects @ solution
    return dict(zip(places, np.exp(logs - off).tolist(), strict=True))


def seconds(pool: Recorded) -> dict[str, Any]:
    """Fitting a tenth of the space and predicting all of it; finding the suspects of all trials."""
    configurations = list(dict.fromkeys(item.configuration for item in pool.measurements))
    used = {configurations[place] for place in np.random.default_rng(0).permutation(len(configurations))[:91]}
    few = list({item.configuration: item for item in pool.measurements if item.configuration in used}.values())

    def predict() -> None:
        model = fit(few)
        for configuration in pool.space.configurations():
            if model.gap(configuration) is None:
                model.row(configuration)

    return {"fit_and_predict": _timed(predict), "find_suspects": _timed(lambda: find(pool.measurements))}


def _timed(work: Callable[[], object], repeats: int = 5) -> dict[str, float]:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return spread(taken, digits=4)


def _told(pool: Recorded, suspect: Suspect) -> dict[str, Any]:
    return {
        "where": pool.where[suspect.measurement_index],
        "configuration": str(pool.measurements[suspect.measurement_index].configuration),
        "figure": suspect.figure,
        "recorded": round(suspect.recorded, 3),
        "expected": round(suspect.expected, 3),
        "ratio": round(suspect.ratio, 3),
        "cause": suspect.cause,
    }


def _without(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The measurements less the suspects that they themselves tell."""
    suspects = {suspect.measurement_index for suspect in find(measurements)}
    return [item for place, item in enumerate(measurements) if place not in suspects]


def _far_off(measurement: Measurement, expected_ms: float) -> bool:
    return abs(measurement.cost.head_ms / expected_ms - 1) > FAR_OFF


def _on_cpu(configuration: Configuration, *, first_cut: int) -> bool:
    return configuration.edge_accelerator is EdgeAccelerator.OFF and configuration.cut >= first_cut


def _cell(measurement: Measurement) -> tuple[int, int]:
    return measurement.configuration.cut, measurement.configuration.cpu_khz
