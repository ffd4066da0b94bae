"""How good a front each method finds within a budget: searches of the published trials.

A seed makes a world: of each configuration one of its recorded trials, nothing where none was recorded, which costs
budget all the same. All methods of a seed search the same world. Suspect trials count for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from planner.hypervolume import hypervolume, reference_point
from planner.pricing import Floats
from planner.searching.campaign import Aim, Campaign, LocalLedger, Method, asks_of, exhaustive, objectives
from planner.searching.composing import compose
from planner.searching.recorded import RecordedTrials
from planner.suspects.finding import find
from protocol.configuration import Account
from protocol.measurement import Measurement
from tools.benches.figures import Target, spread
from tools.measurements.published import Recorded, read_published
from tools.samplers.asking import Sampled

NETWORKS = ("vgg16", "vit")
SEARCHES = (
    ("compose", 0.05),
    ("compose", 0.10),
    ("tpe", 0.10),
    ("gp", 0.10),
    ("nsga3", 0.10),
    ("nsga3", 0.20),
    ("exhaustive", 1.0),
)
_OURS, _THEIRS = "compose at 10%", "nsga3 at 20%"
_OF_EXHAUSTIVE = 0.99


@dataclass(frozen=True, eq=False)
class _Pool:
    recorded: Recorded

    @cached_property
    def sound(self) -> frozenset[int]:
        """The trials, by identity, that do not contradict the rest."""
        trials = self.recorded.measurements
        suspects = {found.measurement_index for found in find(trials)}
        return frozenset(id(item) for place, item in enumerate(trials) if place not in suspects)

    @cached_property
    def corner(self) -> Floats:
        return reference_point(self.points(self.recorded.measurements))

    def points(self, measurements: Sequence[Measurement]) -> list[tuple[float, float]]:
        """Latency and energy of the sound ones."""
        return [objectives(item, Account.EDGE_NODE) for item in measurements if id(item) in self.sound]

    def search(self, method: Method, share: float, seed: int) -> dict[str, float]:
        space = self.recorded.space
        world = RecordedTrials(self.recorded.measurements, np.random.default_rng([seed, 1]))
        campaign = Campaign(space, world, LocalLedger(asks_of(share, space)))
        method(campaign, Aim(seed=seed))
        return {
            "asked": len(campaign.known),
            "measured": len(campaign.measurements),
            "hypervolume": hypervolume(self.points(campaign.measurements), self.corner),
        }


def facts(reference: Path, seeds: int = 10) -> dict[str, Any]:
    """Of each network and search over the seeds: how many were asked for and measured, and the hypervolume that was
    found, in ms x J and as a share of what measuring everything finds in the same world."""
    return {
        "seeds": list(range(seeds)),
        "networks": {name: _network_facts(reference, name, seeds) for name in NETWORKS},
    }


def targets(found: Mapping[str, Any]) -> list[Target]:
    asked = []
    for network, searches in ((name, of["searches"]) for name, of in found["networks"].items()):
        ours, theirs = searches[_OURS], searches[_THEIRS]
        ratio = ours["hypervolume"]["median"] / theirs["hypervolume"]["median"]
        asked += [
            Target(f"{network}: hypervolume of {_OURS} over {_THEIRS}", ratio, 1.0, "x", at_least=True),
            Target(
                f"{network}: hypervolume of {_OURS} over exhaustive",
                ours["share"]["median"],
                _OF_EXHAUSTIVE,
                "x",
                at_least=True,
            ),
        ]
    return asked


def _network_facts(reference: Path, network: str, seeds: int) -> dict[str, Any]:
    recorded = read_published(reference / "dynasplit" / f"simulation_pool_{network}.csv", network=network)
    pool = _Pool(recorded)
    runs = {
        f"{name} at {share:.0%}": [pool.search(_method(name), share, seed) for seed in range(seeds)]
        for name, share in SEARCHES
    }
    best = [run["hypervolume"] for run in runs["exhaustive at 100%"]]
    return {
        "space": recorded.space.size,
        "trials": len(recorded.measurements),
        "suspects": len(recorded.measurements) - len(pool.sound),
        "reference_point": {
            "latency_ms": round(float(pool.corner[0]), 3),
            "energy_mj": round(float(pool.corner[1]), 3),
        },
        "searches": {name: _spreads(found, best) for name, found in runs.items()},
    }


def _spreads(runs: Sequence[Mapping[str, float]], best: Sequence[float]) -> dict[str, Any]:
    shares = [run["hypervolume"] / most for run, most in zip(runs, best, strict=True)]
    return {
        "asked": median(run["asked"] for run in runs),
        "measured": spread([run["measured"] for run in runs], 0),
        "hypervolume": spread([run["hypervolume"] / 1e3 for run in runs], 3),
        "share": spread(shares, 5),
    }


def _method(name: str) -> Method:
    own: Mapping[str, Method] = {"compose": compose, "exhaustive": exhaustive}
    return own[name] if name in own else Sampled(name)
