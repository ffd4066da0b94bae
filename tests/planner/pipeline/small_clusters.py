"""Random small clusters, and all plans that they can run: what searches and schedules are held against."""

from collections.abc import Iterator
from itertools import combinations, pairwise, permutations, product

import numpy as np

from planner.pipeline.instance import Codec, Floats, Instance, Medium, Node, Pieces
from planner.pipeline.loads import Evaluation, evaluate
from planner.pipeline.plan import Plan, Stage
from protocol.errors import InvalidInput


def small(seed: int, medium: Medium, *, replicas: int, most: int = 4) -> Instance:
    """A random instance of up to `most` nodes and pieces and 2 codecs; some links and some memory are missing."""
    rng = np.random.default_rng(seed)
    nodes, pieces, codecs = (int(rng.integers(1, each + 1)) for each in (most, most, 2))
    rate = rng.uniform(1, 10, (nodes, nodes)) * (rng.random((nodes, nodes)) < 0.85)

    def some(*shape: int) -> Floats:
        return rng.uniform(0, 2, shape) * (rng.random(shape) < 0.7)

    def way() -> Floats:
        """To or from the dispatcher: some cost nothing, some are not there."""
        chance = rng.random(nodes)
        return np.where(chance < 0.3, np.inf, np.where(chance < 0.45, 0.0, rng.uniform(1, 10, nodes)))

    return Instance(
        name="small",
        pieces=Pieces(tuple(map(str, range(pieces + 1))), rng.uniform(0, 10, pieces), some(pieces)),
        codecs=tuple(
            Codec(str(codec), rng.uniform(0, 20, pieces + 1), some(nodes, pieces + 1) / 4, some(nodes, pieces + 1) / 4)
            for codec in range(codecs)
        ),
        nodes=tuple(
            Node(
                str(node),
                float(rng.uniform(5, 40)),
                *(float(watts) for watts in (1, 1 + rng.random() * 3, *some(2))),
            )
            for node in range(nodes)
        ),
        compute_s=rng.uniform(0, 3, (nodes, pieces)) * float(rng.random() < 0.8),
        rate=rate,
        rate_in=way(),
        rate_out=way(),
        medium=medium,
        replicas=replicas,
    )


def every_plan(instance: Instance) -> Iterator[tuple[Plan, Evaluation]]:
    """All plans, those that cannot run left out."""
    points, nodes = instance.pieces.count, range(len(instance.nodes))
    groups = [group for size in range(1, instance.replicas + 1) for group in combinations(nodes, size)]
    for cut_count in range(min(points, len(instance.nodes))):
        for cuts in combinations(range(1, points), cut_count):
            ends = (0, *cuts, points)
            for units in permutations(groups, cut_count + 1):
                if len(set(sum(units, ()))) < len(sum(units, ())):
                    continue
                stages = tuple(Stage(*each) for each in zip(ends, ends[1:], units, strict=False))
                for codecs in product(range(len(instance.codecs)), repeat=cut_count):
                    plan = Plan(stages, codecs)
                    try:
                        evaluation = evaluate(instance, plan)
                    except InvalidInput:
                        continue
                    yield plan, evaluation


def any_plan(instance: Instance, seed: int) -> Plan | None:
    """One of the plans, at random, mostly of many stages; None where a hundred attempts find none that can run."""
    rng = np.random.default_rng(seed)
    for _ in range(100):
        plan = _attempt(instance, rng)
        try:
            evaluate(instance, plan)
        except InvalidInput:
            continue
        return plan
    return None


def _attempt(instance: Instance, rng: np.random.Generator) -> Plan:
    count = int(rng.integers(1, min(instance.pieces.count, len(instance.nodes)) + 1))
    inner = np.arange(1, instance.pieces.count)
    ends = [0, *sorted(rng.choice(inner, count - 1, replace=False).tolist()), instance.pieces.count]
    left = rng.permutation(len(instance.nodes)).tolist()
    stages = []
    for index, (first, last) in enumerate(pairwise(ends)):
        most = min(instance.replicas, len(left) - (count - 1 - index))
        taken = int(rng.integers(1, most + 1))
        stages.append(Stage(first, last, tuple(sorted(left[:taken]))))
        left = left[taken:]
    return Plan(tuple(stages), tuple(rng.integers(0, len(instance.codecs), count - 1).tolist()))
