"""The plan of a pipeline as a document: it reads as it was written, and what cannot be is refused."""

import json

import pytest

from protocol.configuration import Codec, Provenance
from protocol.errors import InvalidInput
from protocol.pipeline_plan import PipelinePlan, PlanNode, PlanStage, Predicted

STAGES = (
    PlanStage(0, 4, (PlanNode("pi-a", 1_500_000), PlanNode("pi-b")), Codec.INT8),
    PlanStage(4, 9, (PlanNode("pi-c", 1_000_000, threads=2),)),
)
KINDS = {"bottleneck_s": (Provenance.EMULATED, Provenance.ESTIMATED)}


def plan(**changes):
    return PipelinePlan(**{"network": "net", "bundle": "ab" * 32, "stages": STAGES, "predicted": PREDICTED} | changes)


PREDICTED = Predicted(0.25, 0.5, 3.0, 0.25, KINDS)


def test_a_plan_reads_as_it_was_written():
    written = plan(medium="shared", version=3)

    read = PipelinePlan.from_json(json.loads(json.dumps(written.to_json())))

    assert read == written
    assert read.digest == written.digest


def test_another_version_is_another_plan():
    assert plan().with_version(1).digest != plan().digest


@pytest.mark.parametrize(
    ("stages", "complaint"),
    [
        ((), "operator 0"),
        (STAGES[1:], "operator 0"),
        ((STAGES[0], PlanStage(5, 9, (PlanNode("x"),))), "begins at 5"),
        ((PlanStage(0, 4, (PlanNode("x"),)), STAGES[1]), "names no codec"),
        ((STAGES[0], PlanStage(4, 9, (PlanNode("x"),), Codec.RAW)), "last stage"),
        ((STAGES[0], PlanStage(4, 9, (PlanNode("pi-a"),))), "pi-a takes part twice"),
    ],
)
def test_stages_that_make_no_pipeline_are_refused(stages, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        plan(stages=stages)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("schema",), 2, "newer"),
        (("bundle",), None, "'bundle'"),
        (("stages", 0, "codec"), "zip", "stage 0: 'codec'"),
        (("stages", 0, "nodes"), [], "has no node"),
        (("stages", 1, "nodes", 0, "name"), 7, "stage 1: node"),
        (("predicted", "latency_s"), -1, "latency_s"),
        (("predicted", "provenance"), {"latency_s": ["guessed"]}, "latency_s"),
        (("predicted",), None, "predicted"),
    ],
)
def test_a_document_that_is_no_plan_is_refused_with_the_field(path, value, complaint):
    content = json.loads(json.dumps(plan().to_json()))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    with pytest.raises(InvalidInput, match=complaint):
        PipelinePlan.from_json(content)
