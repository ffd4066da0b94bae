"""A problem as the published model sees it: only what crosses a cut costs time, and every node is as small as the smallest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.pipeline.instance import Codec, Medium
from tools.clusters.problem import Problem


def published_view(problem: Problem) -> Problem:
    """The same pieces, nodes and rates, though computing, coding, the ways in and out, and shared air cost nothing."""
    instance = problem.instance
    smallest = float(instance.capacity_bytes.min())
    free = np.zeros((len(instance.nodes), instance.pieces.count + 1))
    return replace(
        problem,
        instance=replace(
            instance,
            codecs=tuple(Codec(codec.name, codec.transfer_bytes, free, free) for codec in instance.codecs),
            nodes=tuple(replace(node, memory_bytes=smallest) for node in instance.nodes),
            compute_s=np.zeros_like(instance.compute_s),
            rate_in=np.full(len(instance.nodes), np.inf),
            rate_out=np.full(len(instance.nodes), np.inf),
            medium=Medium.LINKS,
        ),
    )
