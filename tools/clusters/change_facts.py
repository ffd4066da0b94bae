"""What leaving a running plan takes and brings, as `--json` holds it."""

from __future__ import annotations

from typing import Any

from planner.pipeline.changing.moving import Move
from planner.pipeline.changing.replan import Replanned
from planner.pipeline.changing.running import Running
from planner.pipeline.finding.purpose import Purpose
from tools.clusters.problem import Problem


def facts_of_change(problem: Problem, purpose: Purpose, running: Running, result: Replanned) -> dict[str, Any]:
    """Values are in the objective's unit; `after_s` counts from the moment at which the pipeline stops to move weights."""
    kept = running.plan
    return {
        "runs_still": kept is not None,
        "running_value": purpose.value(problem.instance, kept) if kept else None,
        "running_served": purpose.served(problem.instance, kept) if kept else False,
        "stays": result.plan == kept,
        "best_value": result.best.value,
        "moved_bytes": result.moved_bytes,
        "fewest_proven": result.fewest_proven,
        "moves": [_move(problem, move) for move in result.moves],
        "moving_s": result.moving_s,
        "pays": result.payoff.pays,
        "after_s": result.payoff.after_s,
        "after_inferences": result.payoff.after_inferences,
        "provenance": {"moving_s": ["estimated"]},
    }


def _move(problem: Problem, move: Move) -> dict[str, Any]:
    labels = problem.instance.pieces.labels
    return {
        "to": problem.node_ids[move.receiver],
        "from": problem.end_id(move.sender),
        "first": move.first,
        "last": move.last,
        "after": labels[move.first],
        "until": labels[move.last],
        "bytes": move.size_bytes,
        "seconds": move.seconds,
    }
