"""Sends one image to an agent and prints what it saw, what was chosen and what it cost."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.accuracy.samples import as_input
from models.manifest import Scaling
from protocol.configuration import Account
from protocol.documents import field
from protocol.errors import InvalidInput
from protocol.files import open_regular
from protocol.tensors import Array, Tensor, TensorSpec
from protocol.topics import check_name
from tools.agent import Agent, Answer
from tools.images import check_image_input, read_pixels
from tools.output import add_json_argument, check_json_target, console, write_json
from tools.tokens import add_agent_token

SUMMARY = "send one image to an agent"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image", type=Path, metavar="IMAGE", help="PNG, JPEG, … or a .npy array with the network's input"
    )
    parser.add_argument("--network", required=True)
    parser.add_argument("--agent", default="http://127.0.0.1:8600", metavar="URL")
    parser.add_argument(
        "--deadline", type=float, metavar="MS", help="the latency that is allowed; without it the cheapest"
    )
    parser.add_argument("--account", choices=[account.value for account in Account], help="whose energy counts")
    parser.add_argument("--strategy", help="another strategy than dynasplit (operator token)")
    add_agent_token(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.deadline is not None and not 0 < arguments.deadline < math.inf:
        raise InvalidInput(
            f"--deadline must be a number of ms above 0, not {arguments.deadline}; leave it out for none"
        )
    check_json_target(arguments.json)
    check_name(arguments.network, what="--network")
    agent = Agent(arguments.agent, token=arguments.token)
    specs = agent.inputs(arguments.network)
    described = agent.network(arguments.network)
    if len(specs) != 1:
        raise InvalidInput(f"{arguments.network} has {len(specs)} inputs; dynasplit infer sends one image")
    tensor = read_input(arguments.image, specs[0], field(described, "scaling", dict, what="the agent's model config"))
    asked = {"deadline_ms": arguments.deadline, "account": arguments.account, "strategy": arguments.strategy}
    parameters = {name: value for name, value in asked.items() if value is not None}
    answer = agent.infer(arguments.network, [Tensor(specs[0].name, tensor)], parameters)
    seen = best_labels(answer, described.get("labels", []))
    _print(answer, seen)
    write_json(arguments.json, _facts(answer, seen))
    return 0


def read_input(path: Path, spec: TensorSpec, scaling: Mapping[str, Any]) -> Array:
    """An image file as the network's input: resized, grey or RGB as the input asks, scaled and quantised as the bundle says."""
    if path.suffix == ".npy":
        return _read_array(path, spec)
    described = Scaling.from_json(scaling)
    check_image_input(spec, described.layout)
    return as_input(read_pixels(path, spec, described.layout), spec, described)


def _read_array(path: Path, spec: TensorSpec) -> Array:
    try:
        with open_regular(path) as file:
            array: Array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"array {path} cannot be read: {error}") from error
    spec.check(array)
    return array


def best_labels(answer: Answer, labels: list[str], *, count: int = 3) -> list[tuple[str, float]]:
    """The likeliest classes of the first output with their scores."""
    scores = next(iter(answer.outputs.values())).ravel()
    best = np.argsort(scores)[::-1][:count]
    return [(labels[index] if index < len(labels) else str(index), float(scores[index])) for index in best]


def _facts(answer: Answer, seen: list[tuple[str, float]]) -> dict[str, Any]:
    return {
        "labels": [{"label": label, "score": score} for label, score in seen],
        "configuration": answer.configuration.to_json(),
        "strategy": answer.strategy,
        "latency_ms": answer.latency_ms,
        "predicted_ms": answer.predicted_ms,
        "deadline_met": answer.deadline_met,
        "fallback": answer.fallback,
        "cost": answer.cost.to_json(),
    }


def _print(answer: Answer, seen: list[tuple[str, float]]) -> None:
    cost, out = answer.cost, console()
    kinds = ", ".join(sorted({kind.value for kind in cost.provenance.values()}))
    verdict = {True: ", in time", False: ", late", None: ""}[answer.deadline_met]
    out.print("  ".join(f"[bold]{label}[/] {score:.3f}" for label, score in seen))
    out.print(f"{answer.latency_ms:.1f} ms{verdict}; {answer.configuration}")
    out.print(f"device {cost.edge_mj:.0f} mJ, cloud node {cost.cloud_node_mj:.0f} mJ ({kinds})")
    if answer.fallback:
        out.print(f"not as chosen: {answer.fallback}")


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["infer", *sys.argv[1:]]))
