"""The demo's story: every step of the job on a running stack, from cutting a network to comparing strategies."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from models.accuracy.evaluate import answers_needed, evaluate
from models.accuracy.evaluation import Accuracies
from models.accuracy.samples import Samples
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.running.runner_choice import open_runner
from models.zoo import digits_vgg, load_digits_vgg
from planner.choosing.strategies import STRATEGIES
from planner.findings import Findings, Wanted, findings
from planner.pricing import price
from planner.profiling import plan
from planner.space import Space
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput, ServiceMissing
from protocol.measurement import Measurement
from protocol.messages import TableState
from protocol.table import Table
from tools import demo_report
from tools.comparison import Served, serve, summarise
from tools.output import write_text
from tools.profile_device import DEFAULT_CODECS, DEFAULT_REPEATS, measure, prepare, space_of
from tools.progress import progress
from tools.push import push, wait_for_report
from tools.stack import NodeProfile, Stack
from tools.workload import Request, draw_deadlines, make_requests

NODE = NodeProfile(busy_watts=930.0, idle_watts=465.0)
"""Busy: the published testbed's node with its CPU working (arXiv 2410.23881). Its idle power is not published; half of the
busy power is assumed, as Barroso and Hölzle found for servers (IEEE Computer 40(12), 2007)."""

ACCOUNT = Account.EDGE_NODE
DEVICE = "pi4-demo"
BOARD = "emulated-pi4"
SEED = 7
EVALUATION_SAMPLES = 60
"""The first of the held-out images serve for profiling and for the table's accuracies, the others are the requests."""
STORE_TIMEOUT_S = 30.0


def play(stack: Stack, *, requests: int, out: Console) -> dict[str, Any]:
    """The whole job on a running stack; the facts that `--json` holds."""
    started = time.monotonic()
    run_tag = f"demo-{uuid.uuid4()}"
    out.print(
        f"[bold]1[/] broker, backend, ingest and agent are up; agent on an emulated Raspberry Pi 4, in {stack.data_dir}"
    )
    bundle = _cut(stack, out)
    table, slowest_ms = _learn(stack, bundle, run_tag, out)
    _push(stack, table, out)
    overruns = stack.agent.device()["overruns"]
    served = _serve(stack, bundle, _requests(bundle, table, slowest_ms, requests), run_tag, out)
    expected = sum(part.requests - part.unanswered for part in served)
    stored = _wait_for_store(stack, run_tag, expected, out)
    return {
        "run": run_tag,
        "network": bundle.manifest.network,
        "bundle": bundle.digest,
        "account": ACCOUNT.value,
        "edge_only_cut": bundle.manifest.operator_count,
        "strategies": {part.strategy: summarise(part) for part in served},
        "stored_inferences": stored,
        "complete": stored >= expected,
        "overruns": max(0, stack.agent.device()["overruns"] - overruns),
        "table_rows": len(table.rows),
        "table": table.digest,
        "seconds": round(time.monotonic() - started, 1),
        "endpoints": {"backend": stack.backend.url, "agent": stack.agent.url, "token": stack.token},
        "node": {"busy_watts": NODE.busy_watts, "idle_watts": NODE.idle_watts, "provenance": "estimated"},
        "machine": demo_report.machine(),
    }


def _serve(stack: Stack, bundle: Bundle, asked: Sequence[Request], run_tag: str, out: Console) -> list[Served]:
    """Serves all requests by all strategies. An agent that ends meanwhile is started again, as a supervisor would."""
    out.print(f"[bold]5[/] serving {len(asked)} images, each with a deadline, by {len(STRATEGIES)} strategies")
    with progress("serving", len(asked) * len(STRATEGIES)) as step:
        served = serve(
            stack.agent,
            asked,
            network=bundle.manifest,
            strategies=STRATEGIES,
            account=ACCOUNT,
            run=run_tag,
            step=step,
            when_away=lambda: _revive(stack, out, "agent"),
        )
    _revive(stack, out)
    return served


def _revive(stack: Stack, out: Console, *names: str) -> None:
    """Starts again what has ended (all services, or those named), and says so."""
    for name in stack.revive(*names):
        out.print(f"[red]{name} had ended; it was started again[/]")


def _cut(stack: Stack, out: Console) -> Bundle:
    network = load_digits_vgg("fp32")
    card = network.card
    bundle = make_bundle(
        digits_vgg("fp32"), stack.data_dir / "bundle", name=network.name, scaling=card.scaling, labels=card.labels
    )
    macs = bundle.manifest.head_work(bundle.manifest.operator_count).total_macs
    out.print(
        f"[bold]2[/] cut {network.name} ({macs / 1e9:.2f} G multiply-accumulates) "
        f"at {len(bundle.manifest.cuts)} points into bundle {bundle.digest:.12}"
    )
    prepare(stack.backend, stack.agent, bundle)
    return bundle


def _held_out() -> Samples:
    network = load_digits_vgg("fp32")
    return Samples(network.images, network.labels)


def _learn(stack: Stack, bundle: Bundle, run_tag: str, out: Console) -> tuple[Table, float]:
    """Profiles on the device, waits until the store has it all, and computes the table from what the store holds.

    Also the latency of the slowest configuration that was measured, in ms.
    """
    space = space_of(stack.agent, bundle, DEFAULT_CODECS)
    samples = _held_out()[:EVALUATION_SAMPLES]
    configurations = plan(space)
    with progress("profiling", len(configurations) * DEFAULT_REPEATS) as step:
        inputs = samples.scaled(bundle.manifest)
        profiled = list(
            measure(stack.agent, bundle, configurations, inputs, repeats=DEFAULT_REPEATS, run=run_tag, step=step)
        )
    _revive(stack, out)
    measured = _stored_measurements(stack, run_tag, len(profiled), out)
    accuracies = _evaluate(bundle, samples, space, cache_dir=stack.data_dir / "weights")
    found = findings([accuracies.applied_to(item) for item in measured], space, Wanted(ACCOUNT))
    write_text(stack.data_dir / "table.json", json.dumps(found.table.to_json(), indent=2) + "\n")
    out.print(
        f"[bold]3[/] profiled {len(configurations)} configurations x {DEFAULT_REPEATS} and composed {len(found.rows)} "
        f"of {space.size}; {len(found.table.rows)} are worth using{_left_out(found)}"
    )
    return found.table, _slowest_ms(measured)


def _left_out(found: Findings) -> str:
    """What did not count, where there was such."""
    return "".join(
        f"; {count} measurements {what}, and were left out"
        for count, what in ((len(found.suspects), "contradict the rest"), (found.throttled, "were throttled"))
        if count
    )


def _slowest_ms(measured: Sequence[Measurement]) -> float:
    """The latency of the slowest configuration: the highest of the medians, so that a cold start does not count."""
    latencies: dict[Configuration, list[float]] = {}
    for item in measured:
        latencies.setdefault(item.configuration, []).append(item.cost.latency_ms)
    return max(median(found) for found in latencies.values())


def _stored_measurements(stack: Stack, run_tag: str, expected: int, out: Console) -> Sequence[Measurement]:
    """What the store holds of the profile, once it holds all of it."""
    deadline = time.monotonic() + STORE_TIMEOUT_S
    while True:
        stored = list(stack.backend.measurements(run=run_tag))
        if len(stored) >= expected:
            return stored
        _revive(stack, out)
        if time.monotonic() > deadline:
            raise ServiceMissing(
                f"the store holds {len(stored)} of {expected} measurements after {STORE_TIMEOUT_S:g} s; "
                f"see {stack.data_dir / 'logs' / 'ingest.log'}"
            )
        time.sleep(0.1)


def _evaluate(bundle: Bundle, samples: Samples, space: Space, *, cache_dir: Path) -> Accuracies:
    runner = open_runner(bundle, cache_dir=cache_dir)
    try:
        answers = answers_needed(bundle.manifest, len(samples), codecs=space.codecs, known={})
        with progress("evaluating", answers) as step:
            return evaluate(runner, bundle.manifest, samples, codecs=space.codecs, step=step)
    finally:
        runner.close()


def _push(stack: Stack, table: Table, out: Console) -> None:
    """Signs and pushes. Where what carries the table had to be started again meanwhile, it is pushed anew."""
    _revive(stack, out)
    stack.backend.add_draft(table)
    for last_try in (False, False, True):
        try:
            pushed = push(stack.backend, table, stack.private_key)
            told = wait_for_report(stack.backend, pushed, timeout_s=STORE_TIMEOUT_S / 3)
            break
        except ServiceMissing:
            if last_try:
                raise
            _revive(stack, out)
    if told.state is not TableState.APPLIED:
        raise InvalidInput(f"{DEVICE} did not apply the table: {told.reason}")
    out.print(
        f"[bold]4[/] signed table {pushed.digest:.12}, pushed it as version {pushed.version}; the agent applied it"
    )


def _requests(bundle: Bundle, table: Table, slowest_ms: float, count: int) -> list[Request]:
    """The requests: images that were not used for profiling, deadlines scaled to what this network can do on this device."""
    samples = _held_out()[EVALUATION_SAMPLES:]
    latencies = price(table.rows, table.link, ACCOUNT).latency_ms
    deadlines = draw_deadlines(count, fastest_ms=float(latencies.min()), slowest_ms=slowest_ms, seed=SEED)
    return make_requests(samples, bundle.manifest, deadlines, seed=SEED)


def _wait_for_store(stack: Stack, run_tag: str, expected: int, out: Console) -> int:
    """Distinct inferences of this run in the store, once all are there or time is up."""
    deadline = time.monotonic() + STORE_TIMEOUT_S
    while (stored := stack.backend.count_inferences(run_tag)) < expected and time.monotonic() < deadline:
        _revive(stack, out)
        time.sleep(0.1)
    return stored
