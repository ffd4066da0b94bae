"""What serving a tail costs beside the tail: CPU of the workers, a caller's time, and what becomes of many callers at once.

The machine's speed changes while this runs, so nothing is compared that did not take turns within a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.bundle import Bundle
from tools.benches.cloud import network
from tools.benches.cloud.bare import Loop
from tools.benches.cloud.clients import Clients
from tools.benches.cloud.server import Server, serving
from tools.benches.cloud.turns import Turns
from tools.benches.companion import Companion
from tools.benches.figures import Target, middle
from tools.benches.loopback import mirrored

THROUGHPUT_SHARE = 0.9
OVERHEAD_MS = 1.5
MANY_CLIENTS = 200

_CLIENTS_PER_WORKER = 3
_ANSWER_BYTES = 600
_MIRRORED = 50


@dataclass(frozen=True)
class Effort:
    """How often things are compared, and how long each side of a comparison takes."""

    turns: int = 60
    turn_runs: int = 8
    slices: int = 16
    slice_s: float = 0.5
    heavy_slice_s: float = 2.0
    crowd_s: float = 8.0


QUICK = Effort(turns=10, slices=3, crowd_s=3.0, heavy_slice_s=1.0)


def facts(folder: Path, effort: Effort) -> dict[str, Any]:
    """Of drawn networks whose tails take their boundary in FP32 as it is. As many workers as cores."""
    workers = os.cpu_count() or 1
    with serving(folder / "backend", workers=workers) as server:
        light = _bench(network.LIGHT, folder, server, effort)
        heavy = _bench(network.HEAVY, folder, server, replace(effort, slice_s=effort.heavy_slice_s))
        light.open_everywhere(connections=4 * workers)
        found = {
            "workers": workers,
            **light.network_facts(),
            **light.overhead(),
            **light.throughput(loops=workers, connections=_CLIENTS_PER_WORKER * workers),
            "loopback_ms": light.loopback_ms(),
            "crowd": light.crowd(),
        }
        heavy.open_everywhere(connections=2 * workers)
        found["heavy"] = {
            **heavy.network_facts(),
            **heavy.throughput(loops=workers, connections=workers),
        }
        return {**found, "memory_mib": server.memory_mib()}


def _bench(drawn: network.Drawn, folder: Path, server: Server, effort: Effort) -> _Bench:
    bundle = drawn.make(folder)
    server.backend.upload_bundle(bundle)
    request = folder / f"{drawn.name}.request"
    request.write_bytes(server.request(bundle, network.CUT))
    return _Bench(bundle, server, request, folder / f"{drawn.name}.weights", effort)


def targets(found: Mapping[str, Any]) -> list[Target]:
    """What is asked of the backend."""
    share = found["share"]["median"]
    return [
        Target("tails per CPU second of the workers, of as many loops'", share, THROUGHPUT_SHARE, "", at_least=True),
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

    def open_everywhere(self, *, connections: int) -> None:
        """Every worker has opened the tail before anything is measured, and the loops' weights are packed."""
        with self._clients() as clients, self._loop() as loop:
            clients.ask(seconds=4 * self.effort.slice_s, connections=connections)
            loop.ask(seconds=0.0)

    def network_facts(self) -> dict[str, Any]:
        """What is served."""
        manifest = self.bundle.manifest
        return {
            "boundary_bytes": manifest.cut(network.CUT).boundary_bytes,
            "tail_macs": manifest.tail_work(network.CUT).total_macs,
        }

    def overhead(self) -> dict[str, Any]:
        """What one client waits beside what the tail takes in the loop, at the backend and at the least of servers: by turns,
        and the medians of their differences."""
        where = {"port": self.server.port, "request": str(self.request)}
        body_bytes = self.network_facts()["boundary_bytes"]
        with Companion(Turns, **self._tail(), **where, body_bytes=body_bytes) as turns:
            rounds = [turns.ask(runs=self.effort.turn_runs) for _ in range(self.effort.turns)]
        return {
            "tail_ms": middle([each["bare_ms"] for each in rounds]),
            "request_ms": middle([each["served_ms"] for each in rounds]),
            "overhead_ms": middle([each["served_ms"] - each["bare_ms"] for each in rounds]),
            "least_overhead_ms": middle([each["least_ms"] - each["bare_ms"] for each in rounds]),
        }

    def throughput(self, *, loops: int, connections: int) -> dict[str, Any]:
        """CPU that the workers take for a request while all are busy, and the share of it that the tail takes in bare loops.

        As many loops as workers are the limit: on every core a tail, which take caches and memory from each other. One loop
        that has the machine to itself is told beside it.
        """
        rounds = []
        with self._loops(loops) as all_loops, self._clients() as clients:
            for _ in range(self.effort.slices):
                together_ms = self._bare_cpu_ms(all_loops)
                served_ms = self._served_cpu_ms(clients, connections)
                rounds.append((together_ms, served_ms, self._bare_cpu_ms(all_loops[:1])))
        return {
            "bare_cpu_ms": middle([together for together, _, _ in rounds]),
            "bare_alone_cpu_ms": middle([alone for _, _, alone in rounds]),
            "request_cpu_ms": middle([served for _, served, _ in rounds]),
            "share": middle([together / served for together, served, _ in rounds]),
            "share_of_one_alone": middle([alone / served for _, served, alone in rounds]),
        }

    def loopback_ms(self) -> dict[str, float]:
        """What such a request and an answer take on their way alone, with nobody who looks at them."""
        content = self.request.read_bytes()
        with mirrored(len(content), _ANSWER_BYTES) as caller:
            return middle([caller.swap(content, reply_bytes=_ANSWER_BYTES) for _ in range(_MIRRORED)])

    def crowd(self) -> dict[str, Any]:
        """Many clients at once, who come again when they are told to."""
        with self._clients() as clients:
            found = clients.ask(connections=MANY_CLIENTS, seconds=self.effort.crowd_s)
        served_ms = found.pop("served_ms")
        return {**found, "clients": MANY_CLIENTS, "served": len(served_ms), "served_ms": middle(served_ms)}

    def _bare_cpu_ms(self, loops: Sequence[Companion]) -> float:
        """Of one tail, with so many loops beside each other."""
        for loop in loops:
            loop.begin(seconds=self.effort.slice_s)
        found = [loop.answer() for loop in loops]
        return float(sum(each["cpu_s"] for each in found) / sum(each["runs"] for each in found) * 1e3)

    def _served_cpu_ms(self, clients: Companion, connections: int) -> float:
        """Of one request, in the workers."""
        before_s = self.server.cpu_s()
        served = len(clients.ask(connections=connections, seconds=self.effort.slice_s)["served_ms"])
        return (self.server.cpu_s() - before_s) / served * 1e3

    def _tail(self) -> dict[str, Any]:
        return {"bundle": str(self.bundle.folder), "cut": network.CUT, "cache": str(self.weights)}

    def _loop(self) -> Companion:
        return Companion(Loop, **self._tail())

    @contextmanager
    def _loops(self, count: int) -> Iterator[list[Companion]]:
        with ExitStack() as stack:
            yield [stack.enter_context(self._loop()) for _ in range(count)]

    def _clients(self) -> Companion:
        return Companion(Clients, port=self.server.port, request=str(self.request))
