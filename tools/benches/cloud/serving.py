"""What serving a tail costs beside the tail: CPU of the workers, a caller's time, and what becomes of many callers at once."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.bundle import Bundle
from tools.benches.cloud import bare, clients, network
from tools.benches.cloud.server import Server, serving
from tools.benches.figures import Target, spread
from tools.benches.isolated import apart
from tools.benches.loopback import mirrored

THROUGHPUT_SHARE = 0.9
OVERHEAD_MS = 1.5
MANY_CLIENTS = 200

_CLIENTS_PER_WORKER = 3
_ANSWER_BYTES = 600
_MIRRORED = 50


@dataclass(frozen=True)
class Effort:
    """How often and how long each part measures."""

    rounds: int = 5
    round_s: float = 1.5
    crowd_s: float = 8.0


QUICK = Effort(rounds=2, round_s=1.0, crowd_s=3.0)


def facts(folder: Path, effort: Effort) -> dict[str, Any]:
    """Of the drawn network, whose tail takes its boundary in FP32 as it is. As many workers as cores."""
    bundle, workers = network.make(folder), os.cpu_count() or 1
    with serving(folder / "backend", workers=workers) as server:
        server.backend.upload_bundle(bundle)
        request = folder / "request"
        request.write_bytes(server.request(bundle, network.CUT))
        bench = _Bench(bundle, server, request, folder / "weights", effort)
        bench.ask(connections=4 * workers)
        return {
            "workers": workers,
            "boundary_bytes": bundle.manifest.cut(network.CUT).boundary_bytes,
            "tail_macs": bundle.manifest.tail_work(network.CUT).total_macs,
            **bench.overhead(),
            **bench.throughput(connections=_CLIENTS_PER_WORKER * workers),
            "loopback_ms": bench.loopback_ms(),
            "crowd": bench.crowd(),
            "memory_mib": server.memory_mib(),
        }


def targets(found: Mapping[str, Any]) -> list[Target]:
    """What is asked of the backend."""
    return [
        Target(
            "tails per CPU second of the workers, of a bare loop's",
            found["share"]["median"],
            THROUGHPUT_SHARE,
            "",
            at_least=True,
        ),
        Target("beside the tail, one client, median", found["overhead_ms"]["median"], OVERHEAD_MS, "ms"),
        Target(f"errors of {MANY_CLIENTS} clients", float(found["crowd"]["errors"]), 0.0, ""),
    ]


@dataclass(frozen=True)
class _Bench:
    bundle: Bundle
    server: Server
    request: Path
    weights: Path
    effort: Effort

    def ask(self, *, connections: int, seconds: float | None = None) -> dict[str, Any]:
        found: dict[str, Any] = apart(
            clients.ask,
            port=self.server.port,
            request=str(self.request),
            seconds=seconds or self.effort.round_s,
            connections=connections,
        )
        return found

    def bare(self) -> dict[str, Any]:
        found: dict[str, Any] = apart(
            bare.loop,
            bundle=str(self.bundle.folder),
            cut=network.CUT,
            cache=str(self.weights),
            seconds=self.effort.round_s,
        )
        return found

    def bare_on_all_cores(self) -> list[dict[str, Any]]:
        with ThreadPoolExecutor() as pool:
            return [each.result() for each in [pool.submit(self.bare) for _ in range(os.cpu_count() or 1)]]

    def overhead(self) -> dict[str, Any]:
        """What one client waits beside what the tail takes in the loop, a round of each after the other."""
        tail_ms, request_ms = [], []
        for _ in range(self.effort.rounds):
            tail_ms.append(statistics.median(self.bare()["ms"]))
            request_ms.append(statistics.median(self.ask(connections=1)["served_ms"]))
        beside_ms = [request - tail for request, tail in zip(request_ms, tail_ms, strict=True)]
        return {"tail_ms": spread(tail_ms), "request_ms": spread(request_ms), "overhead_ms": spread(beside_ms)}

    def throughput(self, *, connections: int) -> dict[str, Any]:
        """CPU that the workers take for a request while all are busy, and the share of it that the loop takes: one loop alone, and
        one beside each other on every core, which take caches and clock from each other as workers do."""
        bare_ms, beside_ms, served_ms = [], [], []
        for _ in range(self.effort.rounds):
            bare_ms.append(_cpu_ms([self.bare()]))
            beside_ms.append(_cpu_ms(self.bare_on_all_cores()))
            before_s = self.server.cpu_s()
            served = len(self.ask(connections=connections)["served_ms"])
            served_ms.append((self.server.cpu_s() - before_s) / served * 1e3)
        return {
            "bare_cpu_ms": spread(bare_ms),
            "bare_on_all_cores_cpu_ms": spread(beside_ms),
            "request_cpu_ms": spread(served_ms),
            "share": spread([bare / served for bare, served in zip(bare_ms, served_ms, strict=True)]),
            "share_on_all_cores": spread([bare / served for bare, served in zip(beside_ms, served_ms, strict=True)]),
        }

    def loopback_ms(self) -> dict[str, float]:
        """What such a request and an answer take on their way alone, with nobody who looks at them."""
        content = self.request.read_bytes()
        with mirrored(len(content), _ANSWER_BYTES) as caller:
            return spread([caller.swap(content, reply_bytes=_ANSWER_BYTES) for _ in range(_MIRRORED)])

    def crowd(self) -> dict[str, Any]:
        """Many clients at once, who come again when they are told to."""
        found = self.ask(connections=MANY_CLIENTS, seconds=self.effort.crowd_s)
        served_ms = found.pop("served_ms")
        return {**found, "clients": MANY_CLIENTS, "served": len(served_ms), "served_ms": spread(served_ms)}


def _cpu_ms(loops: Sequence[Mapping[str, Any]]) -> float:
    """Of one tail."""
    return float(sum(loop["cpu_s"] for loop in loops) / sum(len(loop["ms"]) for loop in loops) * 1e3)
