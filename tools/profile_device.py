"""Profiles a network on a device: runs the configurations from which all others can be composed, by the path that serves requests.

The bundle is uploaded to the backend and loaded by the agent first. The agent keeps every measurement and sends it to the
store; -o writes the same measurements to a file, one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge.device.capabilities import check_accelerated
from edge.jobs.attempt import PATIENCE_S
from models.accuracy.evaluation import Accuracies, known_of
from models.accuracy.samples import Samples
from models.bundle import Bundle
from models.manifest import Manifest
from planner.profiling import plan
from planner.space import Space
from protocol.configuration import Codec, Configuration, EdgeAccelerator, Provenance, choose
from protocol.errors import InvalidInput, Overloaded, ServiceMissing
from protocol.measurement import Measurement
from protocol.tensors import Array, Tensor
from protocol.topics import check_name
from tools.agent import Agent
from tools.backend import Backend
from tools.output import add_json_argument, check_json_target, check_target, console, write_json, write_text
from tools.progress import progress
from tools.tokens import add_agent_token, add_backend_token, agent_token

SUMMARY = "measure a network on a device"

DEFAULT_CODECS = (Codec.RAW, Codec.INT8_ZSTD)
DEFAULT_REPEATS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by dynasplit cut")
    parser.add_argument("--backend", required=True, metavar="URL")
    parser.add_argument("--agent", required=True, metavar="URL")
    add_backend_token(parser)
    add_agent_token(parser, "--agent-token")
    parser.add_argument("--samples", type=Path, metavar="NPZ", help="inputs to run ('images'); random ones by default")
    parser.add_argument(
        "--codecs", default=",".join(DEFAULT_CODECS), help="wire codecs to measure (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=DEFAULT_REPEATS, metavar="N", help="requests per configuration")
    parser.add_argument(
        "--run", dest="tag", default="profile", metavar="TAG", help="tag of the measurements in the store"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE.jsonl", help="the measurements, with the accuracy that is known"
    )
    parser.add_argument("--metric", help="the metric of that accuracy (default: top1, where it was evaluated)")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.repeats < 1:
        raise InvalidInput(f"--repeats must be 1 or more, not {arguments.repeats}")
    check_json_target(arguments.json)
    if arguments.output:
        check_target(arguments.output)
    codecs = parse_codecs(arguments.codecs)
    bundle = Bundle.open(arguments.bundle)
    inputs, accuracies = inputs_of(bundle, arguments.samples), _accuracies(bundle, arguments.metric)
    backend = Backend(arguments.backend, token=arguments.token)
    agent = Agent(arguments.agent, token=agent_token(arguments))
    prepare(backend, agent, bundle)
    space = space_of(agent, bundle, codecs)
    configurations = plan(space)
    with progress(f"profiling {bundle.manifest.network}", len(configurations) * arguments.repeats) as step:
        measured = list(
            measure(agent, bundle, configurations, inputs, repeats=arguments.repeats, run=arguments.tag, step=step)
        )
    if arguments.output:
        kept = [accuracies.applied_to(item) for item in measured] if accuracies else measured
        write_text(arguments.output, "".join(json.dumps(item.to_json()) + "\n" for item in kept))
    console().print(f"{len(measured)} measurements of {len(configurations)} configurations ({measured[0].device})")
    facts = {"network": bundle.manifest.network, "bundle": bundle.digest, "run": arguments.tag}
    write_json(arguments.json, facts | {"measurements": len(measured), "configurations": len(configurations)})
    return 0


def parse_codecs(text: str) -> tuple[Codec, ...]:
    """Codecs from a list with commas."""
    return tuple(choose(Codec, name.strip(), what="--codecs") for name in text.split(","))


def prepare(backend: Backend, agent: Agent, bundle: Bundle) -> None:
    """Brings the bundle to the backend, and has the agent open it."""
    network = check_name(bundle.manifest.network, what="network")
    backend.upload_bundle(bundle)
    agent.load(network, bundle.digest)


def space_of(agent: Agent, bundle: Bundle, codecs: Sequence[Codec]) -> Space:
    """Every configuration that this device can run of this bundle; those of an accelerator only where it can run all heads."""
    device = agent.device()
    return Space(
        cuts=bundle.manifest.cuts,
        clocks_khz=tuple(device["clocks_khz"]),
        codecs=tuple(codecs),
        accelerators=_accelerators(device, bundle.manifest),
    )


def _accelerators(device: Mapping[str, Any], manifest: Manifest) -> tuple[EdgeAccelerator, ...]:
    there = tuple(choose(EdgeAccelerator, name, what="accelerator") for name in device["accelerators"])
    if there == (EdgeAccelerator.OFF,):
        return there
    real = device["provenance"] != Provenance.EMULATED
    try:
        for cut in manifest.cuts:
            if cut:
                check_accelerated(cut, manifest, compiled_heads=real)
    except InvalidInput as lacking:
        console().print(f"[yellow]without the accelerator: {lacking}")
        return (EdgeAccelerator.OFF,)
    return there


def measure(
    agent: Agent,
    bundle: Bundle,
    configurations: Sequence[Configuration],
    inputs: Array,
    *,
    repeats: int,
    run: str,
    step: Callable[[], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Measurement]:
    """Runs each configuration `repeats` times on inputs [N, …] in turn; the agent's measurements.

    What may go well later, as on a device that is too hot now, is tried again for two minutes, and then is an error.
    """
    network, spec = bundle.manifest.network, bundle.manifest.inputs[0]
    for configuration in configurations:
        for repeat in range(repeats):
            tensor = Tensor(spec.name, inputs[repeat % len(inputs)][None])
            yield _patiently(partial(agent.measure, network, [tensor], configuration, run=run), sleep)
            step()


def _patiently(act: Callable[[], Measurement], sleep: Callable[[float], None]) -> Measurement:
    for pause_s in PATIENCE_S:
        try:
            return act()
        except (Overloaded, ServiceMissing) as error:
            console().print(f"waiting {pause_s:g} s: {error}", style="yellow", markup=False, highlight=False)
            sleep(pause_s)
    return act()


def _accuracies(bundle: Bundle, metric: str | None) -> Accuracies | None:
    """What is known by the metric that was asked for, else by top1; None where nobody evaluated that."""
    record = known_of(bundle)
    if metric is None and "top1" not in record.metrics:
        return None
    return record.accuracies(metric or "top1")


def inputs_of(bundle: Bundle, samples: Path | None) -> Array:
    """Inputs float32 [N, …] for a network with one input: the user's samples, or seeded noise within the input's range."""
    manifest = bundle.manifest
    if len(manifest.inputs) != 1:
        raise InvalidInput(f"{manifest.network} has {len(manifest.inputs)} inputs; profiling takes networks with one")
    if samples:
        return Samples.read(samples).scaled(manifest)
    pixels = np.random.default_rng(0).integers(0, 256, (4, *manifest.inputs[0].shape[1:]), dtype=np.uint8)
    return Samples(pixels, None).scaled(manifest)


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["profile", *sys.argv[1:]]))
