"""What a plan asks of each resource for one inference, and what follows: throughput, latency and energy."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from planner.pipeline.instance import Instance, Medium
from planner.pipeline.plan import Plan, Stage
from protocol.errors import InvalidInput

DISPATCHER = -1
"""Stands for the dispatcher where a transmission names its ends."""


class Kind(StrEnum):
    """What can be busy: a node's processor, one direction of a link, a node's radio, or the air that all share."""

    PROCESSOR = "processor"
    LINK = "link"
    RADIO = "radio"
    AIR = "air"


@dataclass(frozen=True, order=True)
class Resource:
    """Something that does one thing at a time; `ends` are a node, or a link's sender and receiver, or empty for the air."""

    kind: Kind
    ends: tuple[int, ...]


@dataclass(frozen=True)
class Transmission:
    """What crosses between two nodes (or the dispatcher), `share` of all inferences, each taking `seconds`."""

    boundary: int
    sender: int
    receiver: int
    share: float
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """What a plan gives: seconds between inferences, what limits it, and seconds of one inference alone."""

    loads: dict[Resource, float]
    bottleneck_s: float
    limit: Resource | None
    latency_s: float

    @property
    def per_second(self) -> float:
        """Inferences per second at full rate; infinite where nothing costs time."""
        return 1 / self.bottleneck_s if self.bottleneck_s else math.inf


def evaluate(instance: Instance, plan: Plan) -> Evaluation:
    """Loads per inference, the bottleneck, and the mean latency of an inference that finds the pipeline empty.

    Raises InvalidInput for a plan that cannot run: pieces left out, a node used twice, no link, or too little memory.
    """
    check(instance, plan)
    loads: defaultdict[Resource, float] = defaultdict(float)
    latency_s = 0.0
    for index, stage in enumerate(plan.stages):
        for node in stage.nodes:
            seconds = busy_s(instance, plan, index, node)
            loads[Resource(Kind.PROCESSOR, (node,))] += seconds / len(stage.nodes)
            latency_s += seconds / len(stage.nodes)
    for each in transmissions(instance, plan):
        latency_s += each.share * each.seconds
        for resource in occupied(instance.medium, each.sender, each.receiver):
            loads[resource] += each.share * each.seconds
    limit = max(loads, key=lambda resource: loads[resource], default=None)
    return Evaluation(dict(loads), loads[limit] if limit else 0.0, limit, latency_s)


def energy_j(instance: Instance, plan: Plan, period_s: float) -> float:
    """Joules of all nodes that take part, per inference, with one inference every `period_s`."""
    joules = 0.0
    for index, stage in enumerate(plan.stages):
        for number in stage.nodes:
            node = instance.nodes[number]
            busy = busy_s(instance, plan, index, number) / len(stage.nodes)
            joules += node.idle_w * period_s + (node.busy_w - node.idle_w) * busy
    for each in transmissions(instance, plan):
        joules += sending_w(instance, each.sender, each.receiver) * each.share * each.seconds
    return joules


def sending_w(instance: Instance, sender: int, receiver: int) -> float:
    """What a transmission draws at both ends, above doing nothing; nobody counts the dispatcher's."""
    watts = instance.nodes[sender].send_w if sender != DISPATCHER else 0.0
    return watts + (instance.nodes[receiver].receive_w if receiver != DISPATCHER else 0.0)


def busy_s(instance: Instance, plan: Plan, index: int, node: int) -> float:
    """Seconds that a node's processor spends on one inference of this stage: decoding, computing, encoding."""
    stage = plan.stages[index]
    seconds = float(instance.compute_s[node, stage.first : stage.last].sum())
    if index:
        seconds += float(instance.codecs[plan.codecs[index - 1]].decode_s[node, stage.first])
    if index < len(plan.stages) - 1:
        seconds += float(instance.codecs[plan.codecs[index]].encode_s[node, stage.last])
    return seconds


def transmissions(instance: Instance, plan: Plan) -> Iterator[Transmission]:
    """All that is sent for an inference, from the dispatcher to the dispatcher; boundary k lies before stage k.

    Inference i is run by node i mod r of a stage of r nodes, so between stages of r and s nodes there are lcm(r, s) pairs.
    """
    last = len(plan.stages)
    for node in plan.stages[0].nodes:
        yield _transmission(instance, plan, 0, (DISPATCHER, node, 1 / len(plan.stages[0].nodes)))
    for boundary, (before, after) in enumerate(pairwise(plan.stages), start=1):
        for pair in pairs(before.nodes, after.nodes):
            yield _transmission(instance, plan, boundary, pair)
    for node in plan.stages[-1].nodes:
        yield _transmission(instance, plan, last, (node, DISPATCHER, 1 / len(plan.stages[-1].nodes)))


def _transmission(instance: Instance, plan: Plan, boundary: int, pair: tuple[int, int, float]) -> Transmission:
    sender, receiver, share = pair
    return Transmission(boundary, sender, receiver, share, transmit_s(instance, plan, boundary, (sender, receiver)))


def transmit_s(instance: Instance, plan: Plan, boundary: int, ends: tuple[int, int]) -> float:
    """Seconds that one inference takes over a boundary, from sender to receiver."""
    sender, receiver = ends
    if boundary == 0:
        return _seconds(instance.transfer_bytes[0, 0], instance.rate_in[receiver])
    if boundary == len(plan.stages):
        return _seconds(instance.transfer_bytes[0, -1], instance.rate_out[sender])
    size = instance.transfer_bytes[plan.codecs[boundary - 1], plan.stages[boundary].first]
    return _seconds(size, instance.rate[sender, receiver])


def pairs(senders: tuple[int, ...], receivers: tuple[int, ...]) -> Iterator[tuple[int, int, float]]:
    """Who sends to whom when both sides take turns, and for which share of the inferences."""
    period = math.lcm(len(senders), len(receivers))
    for turn in range(period):
        yield senders[turn % len(senders)], receivers[turn % len(receivers)], 1 / period


def occupied(medium: Medium, sender: int, receiver: int) -> tuple[Resource, ...]:
    """What a transmission keeps busy."""
    if medium is Medium.SHARED:
        return (Resource(Kind.AIR, ()),)
    if medium is Medium.HALF_DUPLEX:
        return tuple(Resource(Kind.RADIO, (end,)) for end in (sender, receiver) if end != DISPATCHER)
    return (Resource(Kind.LINK, (sender, receiver)),)


def check(instance: Instance, plan: Plan) -> None:
    """Raises InvalidInput for a plan that this instance cannot run."""
    stages, points = plan.stages, instance.pieces.count
    if not stages or stages[0].first != 0 or stages[-1].last != points:
        raise InvalidInput(f"a plan must run all {points} pieces, from the first to the last")
    if any(before.last != after.first for before, after in pairwise(stages)):
        raise InvalidInput("each stage of a plan must begin where the one before it ends")
    if len(plan.codecs) != len(stages) - 1:
        raise InvalidInput(f"{len(stages)} stages have {len(stages) - 1} codecs between them, not {len(plan.codecs)}")
    if len(set(plan.nodes)) != len(plan.nodes):
        raise InvalidInput("a plan uses a node once at most")
    for stage in stages:
        _fits(instance, stage)
    for each in transmissions(instance, plan):
        if math.isinf(each.seconds):
            raise InvalidInput(f"no link from {_called(instance, each.sender)} to {_called(instance, each.receiver)}")


def _fits(instance: Instance, stage: Stage) -> None:
    if not stage.nodes or stage.first >= stage.last:
        raise InvalidInput(f"a stage holds at least one piece and one node, not {stage}")
    needed = instance.pieces.memory_bytes[stage.first, stage.last]
    for node in stage.nodes:
        if needed >= instance.capacity_bytes[node]:
            raise InvalidInput(
                f"pieces {stage.first} to {stage.last} need {needed:.0f} bytes, "
                f"and node {instance.nodes[node].name} has {instance.capacity_bytes[node]:.0f}"
            )


def _called(instance: Instance, node: int) -> str:
    return "the dispatcher" if node == DISPATCHER else instance.nodes[node].name


def _seconds(size_bytes: float, rate: float) -> float:
    if rate == 0:
        return math.inf
    return float(size_bytes / rate)
