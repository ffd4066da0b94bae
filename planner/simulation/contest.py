"""All strategies on the same requests in the same world."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.learning.experience import DEFAULT_VIOLATION_RATE
from planner.pricing import Floats, Indices
from planner.simulation.choosers import Adaptive, Baseline, Chooser, Known, Oracle, Published
from planner.simulation.replay import Recording, World
from planner.simulation.scenario import Scenario, Timeline
from planner.simulation.served import Served, Workload
from planner.simulation.serving import MAX_IN_FLIGHT, serve
from protocol.configuration import Account, Configuration, Provenance
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.table import Row

BASELINES = ("cloud-only", "edge-only", "fastest", "energy-saver")
_PARTS = {"latency_ms": ("head_ms", "cloud_ms"), "energy_j": ("head_mj", "wait_w", "cloud_node_mj")}
STRATEGIES = ("dynasplit", "paper", "oracle", *BASELINES)


@dataclass(frozen=True, eq=False)
class Contest:
    """What strategies are compared in.

    `recording`: what was recorded, `world`: what answers (the recording itself, or one that scatters more). `table`: the
    rows that `dynasplit` chooses from, `recorded`: a row for each configuration that was recorded, for the baselines;
    `link`: the link over which it was. Rows whose configuration was never recorded are left out. `violation_rate`: the share
    of late requests that `dynasplit` aims at, `tries`: whether it tries rows that it knows little of. InvalidInput for
    `edge_active` where it was not recorded.
    """

    recording: Recording
    world: World
    table: Sequence[Row]
    recorded: Sequence[Row]
    link: Link
    account: Account = Account.EDGE_NODE
    violation_rate: float = DEFAULT_VIOLATION_RATE
    tries: bool = True
    max_in_flight: int = MAX_IN_FLIGHT

    def __post_init__(self) -> None:
        if self.account is Account.EDGE_ACTIVE and not self.recording.knows_active:
            raise InvalidInput(
                "account edge_active: what the cloud spends above idle was not recorded; use edge_node or edge"
            )

    def serve(self, strategy: str, workload: Workload, scenario: Scenario | None = None) -> Served:
        """What each request of the workload gets by a strategy; InvalidInput for one that there is not."""
        timeline = (scenario or Scenario()).timeline(len(workload.deadlines_ms))
        chooser = self._chooser(strategy, workload, timeline)
        return serve(chooser, self.world, workload, timeline=timeline, link=self.link, max_in_flight=self.max_in_flight)

    def infeasible(self, deadlines_ms: Floats) -> int:
        """How many deadlines lie below the lowest median latency of a configuration."""
        return int((deadlines_ms < self.recording.median_ms.min()).sum())

    @property
    def kinds(self) -> Mapping[str, frozenset[Provenance]]:
        """Of latency and energy: the kinds of the figures that the recorded rows are made of."""
        return {name: _kinds(self.recorded, parts) for name, parts in _PARTS.items()}

    def _chooser(self, strategy: str, workload: Workload, timeline: Timeline) -> Chooser:
        if strategy == "dynasplit":
            return Adaptive(self._known(self.table), self.account, violation_rate=self.violation_rate, tries=self.tries)
        if strategy == "paper":
            return Published(self.recording)
        if strategy == "oracle":
            return Oracle(self.world, workload.luck, timeline, self.account)
        if strategy in BASELINES:
            return Baseline(strategy, self._known(self.recorded), self.account)
        raise InvalidInput(f"strategy must be one of {', '.join(STRATEGIES)}, not {strategy!r:.40}")

    def _known(self, rows: Sequence[Row]) -> Known:
        return Known.of(rows, self.recording.configurations, self.link)


def _kinds(rows: Sequence[Row], parts: Sequence[str]) -> frozenset[Provenance]:
    return frozenset(row.provenance[part] for row in rows for part in parts if part in row.provenance)


@dataclass(frozen=True, eq=False)
class Summary:
    """How a strategy fared. A violation is a request that was answered after its deadline."""

    requests: int
    violations: int
    fallbacks: int
    median_latency_ms: float
    median_energy_mj: float
    edge_mj: float
    edge_node_mj: float
    decisions: Mapping[Configuration, int]


def summary(served: Served, workload: Workload, configurations: Sequence[Configuration], account: Account) -> Summary:
    """Energy of the account; totals of `edge` and `edge_node`. Decisions are counted, the most frequent first."""
    counts = Counter(dict(zip(*_counted(served.rows), strict=True)))
    return Summary(
        requests=len(served.rows),
        violations=int((served.latency_ms > workload.deadlines_ms).sum()),
        fallbacks=int(served.fallback.sum()),
        median_latency_ms=float(np.median(served.latency_ms)),
        median_energy_mj=float(np.median(served.energy_mj(account))),
        edge_mj=float(served.edge_mj.sum()),
        edge_node_mj=float(served.energy_mj(Account.EDGE_NODE).sum()),
        decisions={configurations[place]: count for place, count in counts.most_common()},
    )


def _counted(rows: Indices) -> tuple[list[int], list[int]]:
    places, counts = np.unique(rows, return_counts=True)
    return places.tolist(), counts.tolist()
