"""The problem that a command names: a published instance, or a bundle on the nodes of a cluster file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb
from pathlib import Path

from models.bundle import Bundle
from planner.pipeline.instance import Medium
from planner.pipeline.published import read_published
from protocol.configuration import Codec, Provenance
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from tools.clusters.from_bundle import Wanted, problem_of
from tools.clusters.measured import measured_devices
from tools.clusters.nodes_file import read_nodes
from tools.clusters.problem import Problem
from tools.output import read_text

FULL, PUBLISHED = MODELS = ("full", "published")

_MOST_GROUPS = 2000
"""Nodes and groups of nodes that take turns: beyond this a search would not even begin for minutes."""


@dataclass(frozen=True)
class Source:
    """What a command names. `codecs` empty: raw; `medium` None: the cluster file's."""

    instance: Path | None = None
    bundle: Path | None = None
    nodes: Path | None = None
    model: str | None = None
    measurements: tuple[str, ...] = ()
    token: str = ""
    codecs: tuple[Codec, ...] = ()
    medium: Medium | None = None
    replicas: int = 1


def read_problem(source: Source) -> Problem:
    """The problem; InvalidInput for options that contradict each other, and for files that cannot be used."""
    _check(source)
    match source.instance, source.bundle, source.nodes:
        case Path() as instance, None, _:
            problem = read_instance(instance)
        case None, Path() as bundle, Path() as nodes:
            problem = _of_bundle(source, bundle, nodes)
        case None, Path(), None:
            raise InvalidInput(
                "--bundle needs --nodes, the cluster on which it is to run: dynasplit make-cluster makes one"
            )
        case _:
            raise InvalidInput("give either a published INSTANCE.json, or --bundle with --nodes")
    _check_groups(len(problem.instance.nodes), source.replicas)
    medium = source.medium or problem.instance.medium
    return replace(problem, instance=replace(problem.instance, medium=medium, replicas=source.replicas))


def read_instance(path: Path) -> Problem:
    """A published instance from a JSON file; nodes are called by their index. InvalidInput names the file and the field."""
    text = read_text(path, what="instance")
    try:
        content = parse_object(text, what="it")
        instance = read_published(content, name=str(content.get("name") or path.stem))
    except InvalidInput as error:
        raise InvalidInput(f"instance {path}: {error}") from error
    nodes = tuple(range(len(instance.nodes)))
    return Problem(instance, nodes, compute_kinds=(frozenset({Provenance.ESTIMATED}),) * len(nodes))


def _check(source: Source) -> None:
    if source.bundle and source.model == PUBLISHED:
        raise InvalidInput("--model published is for published instances: of a bundle all that costs time is counted")
    if source.instance and not source.bundle:
        given = {"--nodes": source.nodes, "--measurements": source.measurements, "--codec": source.codecs}
        if stray := [option for option, value in given.items() if value]:
            raise InvalidInput(f"{stray[0]} is for a bundle: give --bundle and --nodes instead of {source.instance}")
        if source.model == FULL:
            raise InvalidInput(
                f"--model full needs times and watts, which published instances such as {source.instance} do not hold: "
                "give --bundle and --nodes"
            )
    if source.replicas < 1:
        raise InvalidInput(f"--replicas must be 1 or more, not {source.replicas}")


def _check_groups(nodes: int, replicas: int) -> None:
    groups = sum(comb(nodes, size) for size in range(1, min(replicas, nodes) + 1))
    if groups > _MOST_GROUPS and replicas > 1:
        raise InvalidInput(
            f"--replicas {replicas} of {nodes} nodes makes {groups:,} groups that could run a stage, more than "
            f"{_MOST_GROUPS:,}: allow fewer replicas"
        )


def _of_bundle(source: Source, folder: Path, nodes: Path) -> Problem:
    bundle, cluster = Bundle.open(folder), read_nodes(nodes)
    devices = measured_devices(source.measurements, bundle.manifest, bundle.digest, token=source.token)
    wanted = Wanted(bundle, cluster, source.codecs or (Codec.RAW,), devices)
    return problem_of(wanted, name=f"{bundle.manifest.network} on {nodes.stem}")
