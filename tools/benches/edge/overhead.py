"""What the agent adds to a request: its time beside head, wire and tail, and the CPU that deciding takes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from edge.device.controller import Controller
from hardware.boards import open_board
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg, load_digits_vgg
from planner.choosing.candidates import Candidates
from planner.choosing.strategies import DYNASPLIT, Choice, Request, choose
from planner.learning.experience import Experience, Observed
from protocol.configuration import Account, Codec, Configuration
from protocol.inference import Message, pack_request
from protocol.link import REFERENCE_LINK
from protocol.table import Row, Table
from protocol.tensors import Tensor
from tools.benches.edge.waiting import measured
from tools.benches.figures import Target, spread
from tools.benches.loopback import http_request
from tools.profile_device import prepare
from tools.push import push, wait_for_report
from tools.stack import NodeProfile, Stack

OVERHEAD_MS = 2.0
DECISION_MS = 0.3
"""The published system took 4 to 9 ms to choose a configuration and over 100 ms to apply it (arXiv 2410.23881)."""

_DEVICE, _BOARD = "bench", "emulated-pi4"
_NODE = NodeProfile(busy_watts=2.0, idle_watts=1.0)
_REPORT_TIMEOUT_S = 60.0
_WARM_UP = 20
_STRATEGIES = ("edge-only", "cloud-only", DYNASPLIT)


def facts(folder: Path, *, requests: int, decisions: int) -> dict[str, Any]:
    """Of the digits network on an emulated Raspberry Pi 4, of requests that stay here (`edge-only`), that are sent whole
    (`cloud-only`), and that DynaSplit decides: what `waiting.measured` tells; and `decision_ms` of CPU. Everything runs on
    this machine. The wire is what the agent takes for it: packing and unpacking belong to the agent, its HTTP client's time to
    the wire."""
    bundle = make_bundle(digits_vgg(), folder / "bundle", name="digits", cuts="single")
    table = _table(bundle)
    return {"rows": len(table.rows), **_overheads(folder, bundle, table, requests), **decision(table, decisions)}


def targets(found: Mapping[str, Any]) -> list[Target]:
    """What is asked of the agent."""
    slowest_ms = max(found["quietest_ms"].values())
    median_ms = max(figures["median"] for figures in found["overhead_ms"].values())
    return [
        Target("agent: beside head, wire and tail, median", median_ms, OVERHEAD_MS, "ms"),
        Target("agent: the same, median of the quietest round", slowest_ms, OVERHEAD_MS, "ms"),
        Target(
            "agent: deciding and applying what is set already, CPU", found["decision_ms"]["median"], DECISION_MS, "ms"
        ),
    ]


def decision(table: Table, repeats: int) -> dict[str, Any]:
    """CPU of pricing all rows anew after a lesson, choosing one, and applying a configuration that the board has already;
    `lesson_ms` is that of learning from a request, which the agent does when its answer has left."""
    candidates = Candidates.of(table.rows, REFERENCE_LINK)
    experience = Experience.of(candidates.parts)
    controller, asked = Controller(open_board(_BOARD)), Request(deadline_ms=100.0, account=Account.EDGE_NODE)
    took_ms, learned_ms = [], []
    for _ in range(repeats + _WARM_UP):
        began_s = time.thread_time()
        now = candidates.now(REFERENCE_LINK, experience=experience, switching=controller.switching)
        choice = choose(DYNASPLIT, now, asked)
        controller.apply(choice.row.configuration)
        took_ms.append((time.thread_time() - began_s) * 1e3)
        began_s = time.thread_time()
        experience = experience.after(_as_predicted(candidates, choice), REFERENCE_LINK)
        experience.prepare()
        learned_ms.append((time.thread_time() - began_s) * 1e3)
    controller.restore()
    return {"decision_ms": spread(took_ms[_WARM_UP:]), "lesson_ms": spread(learned_ms[_WARM_UP:])}


def _as_predicted(candidates: Candidates, choice: Choice) -> Observed:
    """What a request shows that went just as the table says."""
    head_ms, waiting_ms, edge_mj, cloud_mj = candidates.parts.figures(REFERENCE_LINK)[:, [choice.index]]
    return Observed(np.array([choice.index]), np.array([100.0]), head_ms, waiting_ms, edge_mj, cloud_mj)


def _overheads(folder: Path, bundle: Bundle, table: Table, requests: int) -> dict[str, Any]:
    with Stack(folder / "stack", device=_DEVICE, board=_BOARD, node=_NODE) as stack:
        prepare(stack.backend, stack.agent, bundle)
        pushed = push(stack.backend, table, stack.private_key)
        wait_for_report(stack.backend, pushed, timeout_s=_REPORT_TIMEOUT_S)
        tensor = Tensor(bundle.manifest.inputs[0].name, load_digits_vgg().input(0))
        asked = {name: _request(tensor, name, stack.token) for name in _STRATEGIES}
        running = json.loads((stack.data_dir / "stack.json").read_text())
        return measured(running["ports"]["agent"], psutil.Process(running["pids"]["agent"]), asked, requests)


def _request(tensor: Tensor, strategy: str, token: str) -> bytes:
    wire = pack_request(Message((tensor,), {"strategy": strategy, "deadline_ms": 1000.0}))
    return http_request("/v2/models/digits/infer", {**wire.headers, "Authorization": f"Bearer {token}"}, wire.body)


def _table(bundle: Bundle) -> Table:
    """Every cut at two clocks with two codecs, with plausible figures: what is measured here does not depend on them."""
    manifest = bundle.manifest
    rows = [
        _row(bundle, cut, cpu_khz, codec)
        for cut in manifest.cuts
        for cpu_khz in (600_000, 1_800_000)
        for codec in (Codec.RAW, Codec.INT8)
        if codec is Codec.RAW or cut < manifest.operator_count
    ]
    return Table(manifest.network, bundle.digest, _DEVICE, REFERENCE_LINK, tuple(rows), version=1)


def _row(bundle: Bundle, cut: int, cpu_khz: int, codec: Codec) -> Row:
    manifest = bundle.manifest
    sends = cut < manifest.operator_count
    share = manifest.head_work(cut).total_macs / manifest.tail_work(0).total_macs
    return Row(
        Configuration(cut, cpu_khz, codec=codec),
        head_ms=57.0 * share * 1_800_000 / cpu_khz + 0.1,
        head_mj=240.0 * share + 0.5,
        wait_w=3.8,
        up_bytes=manifest.cut(cut).boundary_bytes if sends else 0,
        down_bytes=200 if sends else 0,
        cloud_ms=2.0 if sends else 0.0,
        cloud_node_mj=40.0 if sends else 0.0,
        cloud_active_mj=None if sends else 0.0,
        accuracy=None,
    )
