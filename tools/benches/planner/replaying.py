"""How well the policy serves the published workloads, and how fast: replays of the published trials."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from planner.averages import median_link, rows_by_configuration
from planner.choosing.candidates import Candidates
from planner.choosing.strategies import Choice, Request, choose
from planner.learning.experience import Experience, Observed
from planner.pricing import Floats
from planner.searching.campaign import Aim
from planner.searching.composing import compose
from planner.simulation.contest import STRATEGIES, Contest, Summary, summary
from planner.simulation.knowledge import Knowledge, of_all, of_campaign
from planner.simulation.replay import Recording, Residuals, World
from planner.simulation.served import Workload
from planner.suspects.sifting import Sifted
from protocol.configuration import Account, Configuration
from protocol.link import Link
from protocol.table import Row, Table
from tools.benches.figures import Target, spread
from tools.measurements.published import Recorded, read_deadlines, read_published

NETWORKS = ("vgg16", "vit")
WORLDS = ("recorded", "residuals")
BUDGETS = (0.10, 0.05)
SMALL_SEEDS = 100
"""Of the workload of 50 requests, where one request more or less counts."""

_LONG, _TABLE_ROWS = 1_000_000, 1000
_LIMITS = {"vgg16": (130, 0.50), "vit": (80, 0.055)}
"""Violations at most, and energy saved against cloud-only at least, knowing all trials."""
_LEARNED_LIMITS = {0.10: (125, 0.505), 0.05: (140, 0.50)}
"""The same for VGG16, learned from a share of the space, in nine of ten seeds."""
_SEEDS_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class _Published:
    """A network's trials and workloads."""

    recorded: Recorded
    long_ms: Floats
    short_ms: Floats

    @classmethod
    def read(cls, reference: Path, network: str) -> _Published:
        folder = reference / "dynasplit"
        return cls(
            read_published(folder / f"simulation_pool_{network}.csv", network=network),
            read_deadlines(folder / "network_latency_10000_samples.csv", network),
            read_deadlines(folder / "network_latency_50_samples.csv", network),
        )

    @cached_property
    def recording(self) -> Recording:
        return Recording.of(self.recorded.measurements)

    @cached_property
    def worlds(self) -> Mapping[str, World]:
        trusted = Recording.of(Sifted.of(self.recorded.measurements).happened)
        return {"recorded": self.recording, "residuals": Residuals.of(self.recording, donors=trusted)}

    @cached_property
    def rows(self) -> Sequence[Row]:
        return list(rows_by_configuration(self.recorded.measurements).values())

    @cached_property
    def all_known(self) -> Knowledge:
        return of_all(self.recorded.measurements, self.recorded.space)

    def learned(self, budget: float, seed: int) -> Knowledge:
        aim = Aim(seed=seed)
        return of_campaign(self.recorded.measurements, self.recorded.space, compose, budget=budget, aim=aim)

    def contest(self, world: str, table: Sequence[Row]) -> Contest:
        link = median_link(self.recorded.measurements)
        return Contest(self.recording, self.worlds[world], table, self.rows, link)


def facts(reference: Path, seeds: int = 20) -> dict[str, Any]:
    """Of each network: all strategies, then `dynasplit` by what it knew, in both worlds, over seeds; and the speed."""
    with ProcessPoolExecutor(max_workers=len(NETWORKS)) as pool:
        found = list(pool.map(_network_facts, [reference] * len(NETWORKS), NETWORKS, [seeds] * len(NETWORKS)))
    return {
        "seeds": seeds,
        "small_seeds": SMALL_SEEDS,
        "networks": dict(zip(NETWORKS, found, strict=True)),
        "speed": _speed(_Published.read(reference, NETWORKS[0])),
    }


def targets(found: Mapping[str, Any]) -> list[Target]:
    """What is asked of the replays of recorded outcomes; those with residuals are reported beside."""
    return [*_known_targets(found), *_learned_targets(found), *_short_targets(found), *_speed_targets(found)]


def _known_targets(found: Mapping[str, Any]) -> list[Target]:
    asked = []
    for network, (violations, saved) in _LIMITS.items():
        runs = found["networks"][network]["long"]["recorded"]["all"]
        name = f"{network}, 10,000 requests, all trials known"
        asked += [
            Target(f"{name}: violations", runs["violations"]["median"], violations, ""),
            Target(f"{name}: energy below cloud-only's", runs["saved"]["median"], saved, "x", at_least=True),
        ]
    return asked


def _learned_targets(found: Mapping[str, Any]) -> list[Target]:
    asked = []
    for budget, (violations, saved) in _LEARNED_LIMITS.items():
        runs = found["networks"]["vgg16"]["long"]["recorded"][str(budget)]["runs"]
        good = sum(run["violations"] <= violations and run["saved"] >= saved for run in runs)
        name = (
            f"vgg16, learned from {budget:.0%}: seeds with at most {violations} violations and {saved:.1%} less energy"
        )
        asked.append(Target(name, good, math.ceil(_SEEDS_SHARE * len(runs)), f"of {len(runs)}", at_least=True))
    return asked


def _short_targets(found: Mapping[str, Any]) -> list[Target]:
    vgg16, vit = (found["networks"][network]["short"]["recorded"] for network in NETWORKS)
    return [
        Target("vgg16, 50 requests: median energy", vgg16["median_j"]["median"], 3.0, "J"),
        Target("vgg16, 50 requests: total energy", vgg16["total_j"]["median"], 900, "J"),
        Target("vgg16, 50 requests: violations", vgg16["violations"]["median"], 2, ""),
        Target("vit, 50 requests: total energy", vit["total_j"]["median"], 3950, "J"),
        Target("vit, 50 requests: violations", vit["violations"]["median"], 0, ""),
    ]


def _speed_targets(found: Mapping[str, Any]) -> list[Target]:
    speed = found["speed"]
    return [
        Target("choosing a row of a 1,000-row table, CPU", speed["choose_us"]["median"], 100, "us"),
        Target("loading and sorting it, CPU", speed["load_ms"]["median"], 50, "ms"),
        Target("simulating 10,000 requests, CPU", speed["simulate_10000_s"]["median"], 1, "s"),
        Target("simulating 1,000,000 requests, CPU", speed["simulate_1000000_s"]["median"], 20, "s"),
    ]


def _network_facts(reference: Path, network: str, seeds: int) -> dict[str, Any]:
    published = _Published.read(reference, network)
    recording = published.recording
    return {
        "configurations": len(recording.configurations),
        "space": published.recorded.space.size,
        "trials": len(published.recorded.measurements),
        "infeasible": int((published.long_ms < recording.median_ms.min()).sum()),
        "strategies": {world: _strategies(published, world) for world in WORLDS},
        "long": _long(published, seeds),
        "short": {world: _short(published, world) for world in WORLDS},
    }


def _strategies(published: _Published, world: str, seed: int = 1) -> dict[str, Any]:
    """All strategies on the same requests with the same luck, all trials known."""
    contest = published.contest(world, published.all_known.rows)
    workload = _workload(published.long_ms, seed)
    return {name: _figures(_run(contest, name, workload)) for name in STRATEGIES}


def _long(published: _Published, seeds: int) -> dict[str, Any]:
    found: dict[str, Any] = {world: {} for world in WORLDS}
    for name, known in _stages(published, seeds).items():
        for world in WORLDS:
            runs = [_against_cloud_only(published, world, known[seed], seed) for seed in range(seeds)]
            found[world][name] = {
                **{figure: spread([run[figure] for run in runs], 4) for figure in ("violations", "saved")},
                "measured": spread([one.measured for one in known]),
                "asked": spread([one.asked for one in known]),
                "rows": spread([len(one.rows) for one in known]),
                "runs": runs,
            }
    return found


def _stages(published: _Published, seeds: int) -> dict[str, list[Knowledge]]:
    learned = {str(budget): [published.learned(budget, seed) for seed in range(seeds)] for budget in BUDGETS}
    return {"all": [published.all_known] * seeds} | learned


def _against_cloud_only(published: _Published, world: str, known: Knowledge, seed: int) -> dict[str, Any]:
    contest, workload = published.contest(world, known.rows), _workload(published.long_ms, seed)
    ours, cloud = (_run(contest, name, workload) for name in ("dynasplit", "cloud-only"))
    return {"violations": ours.violations, "saved": 1 - ours.edge_node_mj / cloud.edge_node_mj}


def _short(published: _Published, world: str) -> dict[str, Any]:
    contest = published.contest(world, published.all_known.rows)
    runs = [_run(contest, "dynasplit", _workload(published.short_ms, seed)) for seed in range(SMALL_SEEDS)]
    return {
        "violations": spread([run.violations for run in runs]),
        "total_j": spread([run.edge_node_mj / 1e3 for run in runs]),
        "median_j": spread([run.median_energy_mj / 1e3 for run in runs]),
    }


def _run(contest: Contest, strategy: str, workload: Workload) -> Summary:
    served = contest.serve(strategy, workload)
    return summary(served, workload, contest.recording.configurations, contest.account)


def _figures(run: Summary) -> dict[str, Any]:
    return {
        "violations": run.violations,
        "median_latency_ms": round(run.median_latency_ms, 2),
        "median_energy_j": round(run.median_energy_mj / 1e3, 3),
        "energy_j": {"edge": round(run.edge_mj / 1e3, 1), "edge_node": round(run.edge_node_mj / 1e3, 1)},
    }


def _workload(deadlines_ms: Floats, seed: int) -> Workload:
    return Workload.of(deadlines_ms, np.random.default_rng([seed, 2]))


def _speed(published: _Published, repeats: int = 5) -> dict[str, Any]:
    """CPU time of this process, all trials known."""
    contest = published.contest("recorded", published.all_known.rows)
    short, long = (_workload(np.resize(published.long_ms, count), 1) for count in (len(published.long_ms), _LONG))
    table = _table(published.rows)
    text = json.dumps(table.to_json())
    served = _Served(_loaded(text))
    return {
        "simulate_10000_s": spread(_cpu_s(lambda: contest.serve("dynasplit", short), repeats)),
        "simulate_1000000_s": spread(_cpu_s(lambda: contest.serve("dynasplit", long), 1)),
        "load_ms": spread([1e3 * second for second in _cpu_s(lambda: _loaded(text), repeats)]),
        "choose_us": spread([1e6 * second for second in _cpu_s(served.choose, 100 * repeats)]),
        "learn_us": spread([1e6 * second for second in _cpu_s(served.learn, 100 * repeats)]),
    }


def _cpu_s(work: Callable[[], object], repeats: int) -> list[float]:
    found = []
    for _ in range(repeats):
        started_s = time.process_time()
        work()
        found.append(time.process_time() - started_s)
    return found


def _table(rows: Sequence[Row]) -> Table:
    """Of a thousand rows: those that there are, and again as if at other clocks."""
    again = [replace(row, configuration=_shifted(row.configuration, 1 + n // len(rows))) for n, row in enumerate(rows)]
    return Table("vgg16", "published", "pi4", _LINK, tuple([*rows, *again][:_TABLE_ROWS]))


def _shifted(configuration: Configuration, steps: int) -> Configuration:
    return replace(configuration, cpu_khz=configuration.cpu_khz + steps)


def _loaded(text: str) -> Candidates:
    table = Table.from_json(json.loads(text))
    candidates = Candidates.of(table.rows, table.link)
    _choose(candidates)
    return candidates


def _choose(candidates: Candidates) -> Choice:
    return choose("dynasplit", candidates, Request(400.0, Account.EDGE_NODE))


class _Served:
    """A device in use: each request meets another link, and teaches something."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._experience = Experience.of(candidates.parts)
        self.learn()

    def choose(self) -> Choice:
        """All rows priced again for a link that has just changed, with what was learned."""
        link = replace(self._candidates.link, rtt_ms=self._candidates.link.rtt_ms + 1e-6)
        self._candidates = self._candidates.now(link, experience=self._experience)
        return _choose(self._candidates)

    def learn(self) -> None:
        """From one request, up to what is expected of all rows for the next."""
        row = self.choose().index
        figures = [np.array([figure]) for figure in (400.0, 40.0, 60.0, 200.0, 50_000.0)]
        self._experience = self._experience.after(Observed(np.array([row]), *figures), self._candidates.link)
        self._experience.expected(self._candidates.link, Account.EDGE_NODE)


_LINK = Link(2.3, 1024 / 0.0139, 1024 / 0.0139)
