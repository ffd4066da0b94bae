"""The plan that runs before a change: the document for agents, or what `plan-cluster --json` wrote, spare copies included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.pipeline.changing.running import Deployed, NamedStage, Range, Running
from protocol.documents import checked, field, parse_object
from protocol.errors import InvalidInput
from protocol.pipeline_plan import PipelinePlan
from tools.clusters.problem import Origin, Problem
from tools.output import read_text


def read_running(path: Path, problem: Problem) -> Running:
    """What is left of the plan in a file on the nodes of this problem. InvalidInput names the file and what is wrong."""
    text = read_text(path, what="running plan")
    try:
        return _deployed(parse_object(text, what="it"), problem).left_in(problem.instance)
    except InvalidInput as error:
        raise InvalidInput(f"running plan {path}: {error}") from error


def _deployed(content: Mapping[str, Any], problem: Problem) -> Deployed:
    if problem.origin is None:
        return Deployed(_by_pieces(content), _spares(content))
    document = content.get("plan", content)
    plan = PipelinePlan.from_json(checked(document, dict, what="'plan'"))
    if plan.bundle != problem.origin.bundle:
        raise InvalidInput(f"it is for bundle {plan.bundle:.12}, not {problem.origin.bundle:.12}")
    return Deployed(_by_operators(plan, problem.origin), _spares(content))


def _by_operators(plan: PipelinePlan, origin: Origin) -> tuple[NamedStage, ...]:
    points = {cut: point for point, cut in enumerate(origin.cuts)}
    if strange := [stage.first for stage in plan.stages if stage.first not in points]:
        raise InvalidInput(f"it cuts at {strange[0]}, which is no cut point of the bundle")
    return tuple(
        NamedStage(
            points[stage.first],
            points.get(stage.last, len(points) - 1),
            tuple(node.name for node in stage.nodes),
            stage.codec.value if stage.codec else None,
        )
        for stage in plan.stages
    )


def _by_pieces(content: Mapping[str, Any]) -> tuple[NamedStage, ...]:
    if content.get("stages") is None:
        raise InvalidInput("it holds no plan: give what plan-cluster --json wrote")
    stages = field(content, "stages", list, what="it")
    return tuple(_stage(stage, what=f"stages[{number}]") for number, stage in enumerate(stages))


def _stage(content: object, *, what: str) -> NamedStage:
    entry = checked(content, dict, what=what)
    codec = entry.get("codec")
    return NamedStage(
        field(entry, "first", int, what=what),
        field(entry, "last", int, what=what),
        tuple(str(node) for node in field(entry, "nodes", list, what=what)),
        None if codec is None else checked(codec, str, what=f"{what}: 'codec'"),
    )


def _spares(content: Mapping[str, Any]) -> Mapping[str, Sequence[Range]]:
    """All that nodes hold by a plan that survives losses; their own stages are among it."""
    survival = checked(content.get("survival") or {}, dict, what="'survival'")
    held = checked(survival.get("held", []), list, what="'survival.held'")
    return dict(_holding(each, what=f"survival.held[{number}]") for number, each in enumerate(held))


def _holding(content: object, *, what: str) -> tuple[str, Sequence[Range]]:
    entry = checked(content, dict, what=what)
    ranges = field(entry, "pieces", list, what=what)
    return str(entry.get("node")), [_range(each, what=f"{what}: 'pieces'") for each in ranges]


def _range(content: object, *, what: str) -> Range:
    ends = [checked(each, int, what=what) for each in checked(content, list, what=what)]
    if len(ends) != 2:
        raise InvalidInput(f"{what} must be pairs of a first and a last point, not {len(ends)} numbers")
    return ends[0], ends[1]
