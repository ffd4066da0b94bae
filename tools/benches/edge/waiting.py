"""How long callers wait for an agent beside head, wire and tail, in rounds, with the CPU that its front took meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from planner.pricing import Floats
from protocol.errors import ServiceMissing
from protocol.inference import unpack_reply
from protocol.measurement import Cost
from tools.benches.figures import spread
from tools.benches.loopback import Caller, mirrored, split_reply

_ROUNDS = 5
_WARM_UP = 20
_PAUSE_S = 0.005


@dataclass
class _Waits:
    """Of one kind of request, in ms, a list a round: what callers waited beside head, wire and tail, and how much of that the
    agent saw before the outputs were there; and of the front, on average, its CPU and its waiting for a processor."""

    caller_ms: list[list[float]] = field(default_factory=list)
    inside_ms: list[list[float]] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    queued_ms: list[float] = field(default_factory=list)

    def add_round(self, caller: Caller, front: psutil.Process, request: bytes, count: int) -> None:
        before_ms = _scheduled_ms(front)
        pairs = [_wait(caller, request) for _ in range(count)]
        cpu_ms, queued_ms = (_scheduled_ms(front) - before_ms) / count
        self.cpu_ms.append(cpu_ms)
        self.queued_ms.append(queued_ms)
        self.caller_ms.append([waited_ms for waited_ms, _ in pairs])
        self.inside_ms.append([inside_ms for _, inside_ms in pairs])


def measured(port: int, front: psutil.Process, requests: Mapping[str, bytes], count: int) -> dict[str, Any]:
    """So many of each kind of request, in rounds of all kinds by turns, so that what disturbs one disturbs the others. They come
    one by one, 5 ms after the answer to the one before: what the agent learns from that is then not in their way.

    `overhead_ms`: from a request's first byte out until the last one of its answer is in, less head, wire and tail, and less
    the median of `caller_ms`: what a caller waits for as many bytes from a process that does nothing. `quietest_ms`: its median
    in the round where that is least. `inside_ms`: the part that the agent saw from the request's last byte until the outputs
    were there; the rest is receiving, recording and answering. Of the front, a request, by round: `cpu_ms`, all that it computes,
    what follows the answer and its HTTP client among it; `queued_ms`, how long its threads waited for a processor: where that
    is much, the waits tell of the load. `busy`: how much of all processors was in use, by whomever (0 to 1).
    """
    largest = max(requests.values(), key=len)
    waits = {name: _Waits() for name in requests}
    with Caller(port) as caller:
        for request in requests.values():
            for _ in range(_WARM_UP):
                reply, _ = caller.ask(request)
        with mirrored(len(largest), len(reply)) as mirror:
            psutil.cpu_percent()
            alone_ms = []
            for _ in range(_ROUNDS):
                alone_ms += [mirror.swap(largest, reply_bytes=len(reply)) for _ in range(count // _ROUNDS)]
                for name, request in requests.items():
                    waits[name].add_round(caller, front, request, count // _ROUNDS)
            busy = psutil.cpu_percent() / 100
    return {**_figures(waits, statistics.median(alone_ms)), "caller_ms": spread(alone_ms), "busy": round(busy, 3)}


def _figures(waits: Mapping[str, _Waits], alone_ms: float) -> dict[str, Any]:
    overheads = {
        name: [[waited_ms - alone_ms for waited_ms in each] for each in kind.caller_ms] for name, kind in waits.items()
    }
    return {
        "overhead_ms": {name: spread([*chain.from_iterable(rounds)]) for name, rounds in overheads.items()},
        "quietest_ms": {name: round(min(map(statistics.median, rounds)), 3) for name, rounds in overheads.items()},
        "inside_ms": {name: spread([*chain.from_iterable(kind.inside_ms)]) for name, kind in waits.items()},
        "cpu_ms": {name: spread(kind.cpu_ms) for name, kind in waits.items()},
        "queued_ms": {name: spread(kind.queued_ms) for name, kind in waits.items()},
    }


def _wait(caller: Caller, request: bytes) -> tuple[float, float]:
    """What a caller waits beside head, wire and tail, and how much of it the agent tells of; in ms."""
    time.sleep(_PAUSE_S)
    reply, took_ms = caller.ask(request)
    status, headers, body = split_reply(reply)
    if status != 200:
        raise ServiceMissing(f"the agent answered {status}: {body[:200]!r}")
    parameters = unpack_reply(headers, body).parameters
    cost = Cost.from_json(parameters.get("cost"))
    parts_ms = cost.head_ms + cost.transfer_ms + cost.cloud_ms
    return took_ms - parts_ms, cost.latency_ms - parts_ms


def _scheduled_ms(process: psutil.Process) -> Floats:
    """What all its threads computed, and how long they waited for a processor, in ms since its start: the first two figures
    of `schedstat`, in ns (https://docs.kernel.org/scheduler/sched-stats.html)."""
    files = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    figures: Floats = np.array([file.read_text().split()[:2] for file in files], dtype=np.float64)
    return np.asarray(figures.sum(axis=0) / 1e6)
