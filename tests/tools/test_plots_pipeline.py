"""The drawing of a pipeline: what is told in it, with and without places, for every medium."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from planner.pipeline.instance import Codec, Instance, Medium, Node, Pieces
from planner.pipeline.plan import Plan, Stage
from protocol.configuration import Provenance
from tools.clusters.problem import Problem
from tools.plots.map_places import places_of
from tools.plots.pipeline import draw_pipeline

PLAN = Plan((Stage(0, 1, (0,)), Stage(1, 2, (1, 2)), Stage(2, 3, (3,))), (0, 0))


def problem(medium=Medium.LINKS, *, placed: bool = True, computed_s: float = 1.0) -> Problem:
    free = np.zeros((5, 4))
    places = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (20.0, 5.0), (0.0, 20.0)]
    instance = Instance(
        name="yard",
        pieces=Pieces(("in", "a", "b", "out"), np.ones(3), np.zeros(3)),
        codecs=(Codec("raw", np.ones(4) if computed_s else np.zeros(4), free, free),),
        nodes=tuple(
            Node(f"pi-{each}", 10.0, position_m=place if placed else None) for each, place in enumerate(places)
        ),
        compute_s=np.full((5, 3), computed_s),
        rate=np.full((5, 5), 2.0),
        rate_in=np.full(5, 4.0),
        rate_out=np.full(5, np.inf),
        medium=medium,
        replicas=2,
    )
    return Problem(
        instance, tuple(node.name for node in instance.nodes), compute_kinds=(frozenset({Provenance.EMULATED}),) * 5
    )


@pytest.fixture
def drawn(tmp_path):
    """Draws, and gives the words in the drawing."""

    def draw(*arguments, **options) -> str:
        path = tmp_path / "plan.svg"
        draw_pipeline(problem(*arguments, **options), PLAN, path)
        return path.read_text()

    return draw


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("medium", list(Medium))
@pytest.mark.parametrize("placed", [True, False])
def test_stages_times_and_the_pace_are_told(drawn, medium, placed):
    words = drawn(medium, placed=placed)

    for told in (
        "yard: 3 stages on 4 of 5 nodes",
        "emulated,",
        "estimated)",
        "dispatcher",
        "2: pi-1",
        "in 250 ms",
        "500 ms",
    ):
        assert told in words
    assert ">pi-4<" in words


@pytest.mark.exhaustive
def test_what_limits_is_drawn_as_such(drawn):
    assert "limited by the processor of pi-0" in drawn()
    assert "limited by the air that all share" in drawn(Medium.SHARED)


@pytest.mark.parametrize("place", [(1.0, 1.0), (1e6, -1e6)])
def test_nodes_at_one_and_the_same_place_are_drawn_apart(place):
    spread = problem()
    nodes = tuple(replace(node, position_m=place) for node in spread.instance.nodes)

    places, known = places_of(replace(spread, instance=replace(spread.instance, nodes=nodes)), PLAN)

    apart = [math.dist(one, other) for one, other in combinations(places, 2)]
    assert known
    assert min(apart) > 0.05 * np.ptp(places, axis=0).max()
    np.testing.assert_allclose(places, [place] * len(nodes), atol=0.1)


def test_where_nothing_takes_time_there_is_only_the_map(tmp_path):
    free = problem(computed_s=0.0)

    draw_pipeline(free, Plan((Stage(0, 3, (0,)),)), tmp_path / "free.svg")

    words = (tmp_path / "free.svg").read_text()
    assert "nothing takes time" in words
    assert "computes" not in words


@pytest.mark.exhaustive
def test_the_same_plan_gives_the_same_bytes(drawn):
    assert drawn() == drawn()


@pytest.mark.exhaustive
def test_a_png_is_a_png(tmp_path):
    draw_pipeline(problem(), PLAN, tmp_path / "plan.png")

    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
