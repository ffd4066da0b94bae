from __future__ import annotations

import pytest

from tools.demo_report import remarks, sentence, where


def _figures(
    dynasplit: tuple[float, int],
    cloud: tuple[float, int],
    edge: int,
    saver: int,
    *,
    fallbacks: int = 0,
    refused: int = 0,
):
    def part(joules: float, violations: int):
        part = {"energy_j": {"edge_node": joules}, "violations": violations, "requests": 10}
        return part | {"fallbacks": fallbacks, "refused": refused}

    return {
        "dynasplit": part(*dynasplit),
        "cloud-only": part(*cloud),
        "edge-only": part(1.0, edge),
        "energy-saver": part(1.0, saver),
    }


def test_a_good_run_is_told_with_its_figures():
    told = sentence(_figures((60.0, 1), (100.0, 0), 8, 9))
    assert told.startswith("dynasplit spent 40% less energy than cloud-only (edge_node) and missed 1 of 10 deadlines")
    assert told.endswith("against 0 for cloud-only, 8 for edge-only, 9 for energy-saver.")


@pytest.mark.parametrize(
    "figures",
    [
        _figures((120.0, 1), (100.0, 0), 8, 9),
        _figures((60.0, 8), (100.0, 0), 8, 9),
        _figures((60.0, 9), (100.0, 0), 10, 9),
    ],
)
def test_a_run_that_did_not_come_out_well_is_not_hidden(figures):
    assert sentence(figures).startswith("This run did not come out as it should: dynasplit spent")


def test_more_energy_is_called_more():
    assert "20% more energy" in sentence(_figures((120.0, 1), (100.0, 0), 8, 9))


@pytest.mark.parametrize("disturbance", [{"fallbacks": 5}, {"refused": 2}])
def test_a_run_that_lost_the_cloud_or_the_agent_compares_nothing(disturbance):
    told = sentence(_figures((60.0, 1), (100.0, 0), 8, 9, **disturbance))
    assert told.startswith("The cloud or the agent was away for part of this run")


def test_shares_tell_where_the_work_ran():
    assert where({"cloud": 5, "both": 3, "device": 2}) == "50/30/20"


def _facts(**changes):
    part = {"requests": 10, "fallbacks": 0, "refused": 0} | changes
    return {"strategies": {"dynasplit": part}, "stored_inferences": 10, "seconds": 1.0, "overruns": 0, "complete": True}


def test_what_went_otherwise_than_planned_is_said():
    assert len(remarks(_facts())) == 1
    assert "1 request was finished on the device" in remarks(_facts(fallbacks=1))[1]
    assert "2 requests were not answered" in remarks(_facts(refused=2))[1]
    assert "slower than the emulated device" in remarks(_facts() | {"overruns": 5})[1]
    assert "did not reach the store" in remarks(_facts() | {"complete": False})[1]
