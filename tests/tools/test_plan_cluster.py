"""`dynasplit plan-cluster`: the plan for machines and people, and one line for whatever is wrong."""

import json
import signal
from dataclasses import replace

import pytest

from planner.pipeline.finding.effort import never
from tools import plan_cluster
from tools.cli import main
from tools.clusters import changing
from tools.clusters.stopping import Stopping

SMALL = {
    "name": "small",
    "model": {"transfer_mbit": [1.0, 8.0, 2.0, 0.0], "segment_mem_bytes": [60.0, 60.0, 60.0]},
    "cluster": {"bandwidth_mbps": [[0, 4, 1], [4, 0, 2], [1, 2, 0]], "mem_capacity_bytes": [100, 150, 100]},
}


@pytest.fixture
def planned(tmp_path, capsys):
    """Plans an instance with these options: the exit code, the facts, and what people read."""

    def plan(content, *options):
        path = tmp_path / "instance.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        code = main(["plan-cluster", str(path), *options, "--json", "-"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return plan


def cluster(**changes):
    return SMALL | {"cluster": SMALL["cluster"] | changes}


def test_the_best_plan_is_told_with_its_proof_and_what_limits_it(planned):
    code, facts, told = planned(SMALL)

    assert code == 0
    assert (facts["bottleneck_s"], facts["cuts"], facts["nodes"]) == (0.5, [2], [1, 0])
    assert facts["proved_optimal"]
    assert facts["lower_bound_s"] == 0.5
    assert facts["limit"] == {"resource": "link", "nodes": [1, 0], "words": "the link from node 1 to node 0"}
    assert facts["provenance"] == {"bottleneck_s": ["estimated"], "latency_s": ["estimated"]}
    assert "limited by the link from node 1 to node 0" in " ".join(told.split())


def test_a_network_that_fits_one_node_costs_nothing(planned):
    code, facts, _ = planned(cluster(mem_capacity_bytes=[100, 500, 100]))

    assert code == 0
    assert (facts["bottleneck_s"], facts["cuts"], facts["nodes"]) == (0.0, [], [1])
    assert (facts["per_second"], facts["limit"]) == (None, None)


def test_what_cannot_be_exits_3_with_the_reason(planned):
    code, facts, told = planned(cluster(mem_capacity_bytes=[100, 60, 100]))

    assert code == 3
    assert facts["infeasible"] in told
    assert (facts["bottleneck_s"], facts["proved_optimal"]) == (None, False)


def test_a_floor_that_no_plan_reaches_is_infeasible(planned):
    assert planned(SMALL, "--floor", "1.9")[0] == 0
    assert planned(SMALL, "--floor", "2.1")[0] == 3


@pytest.mark.parametrize(
    ("content", "options", "named"),
    [
        ("[1]", [], "object"),
        ("{", [], "instance.json"),
        ({}, [], "'model'"),
        (cluster(bandwidth_mbps=[[0, 1], [1, 0]]), [], "cluster.bandwidth_mbps"),
        (cluster(bandwidth_mbps=[[0, -1, 1], [1, 0, 1], [1, 1, 0]]), [], "cluster.bandwidth_mbps[0][1]"),
        (SMALL, ["--floor", "nan"], "--floor"),
        (SMALL, ["--time-limit", "0"], "--time-limit"),
        (SMALL, ["--simulate", "3"], "--simulate"),
        (SMALL, ["--simulate", "1000000000"], "--simulate must be 10 to 1000000 inferences"),
        (SMALL, ["--jitter", "0.1"], "--simulate"),
        (SMALL, ["--simulate", "50", "--jitter", "-1"], "--jitter"),
        (SMALL, ["--simulate", "50", "--seed", "-1"], "--seed"),
        (SMALL, ["--plot", "plan.txt"], "--plot"),
        (SMALL, ["--objective", "energy", "--floor", "1"], "watts"),
    ],
)
def test_bad_input_is_one_line(planned, content, options, named):
    code, _, told = planned(content, *options)

    assert code == 2
    assert named in told
    assert len(told.strip().splitlines()) == 1


def test_a_search_that_may_not_begin_says_that_nothing_is_known(planned):
    code, facts, told = planned(SMALL, "--time-limit", "1e-9")

    assert code == 1
    assert (facts["bottleneck_s"], facts["proved_optimal"], facts["infeasible"]) == (None, False, None)
    assert "no plan was found" in told


def test_an_interrupted_search_tells_the_best_plan_until_then(planned, monkeypatch):
    real = changing.solve

    def interrupted(problem, order, stop):
        found = real(problem, order, never)
        signal.raise_signal(signal.SIGINT)
        assert stop()
        return replace(found, bound=0.25, proven=False)

    monkeypatch.setattr(changing, "solve", interrupted)

    code, facts, told = planned(SMALL)

    assert code == 130
    assert (facts["bottleneck_s"], facts["lower_bound_s"], facts["gap"]) == (0.5, 0.25, 0.5)
    assert not facts["proved_optimal"]
    assert "at least 0.25 s, the gap 50.0% at most" in " ".join(told.split())


def test_the_first_interruption_stops_the_search_and_the_second_ends_the_process():
    with Stopping() as stopping:
        signal.raise_signal(signal.SIGINT)
        assert stopping()
        assert stopping.interrupted
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_limit_counts_from_the_start_of_the_search():
    now_s = 10.0
    stopping = Stopping(5.0, clock=lambda: now_s)
    now_s = 20.0
    with stopping:
        assert not stopping()
        now_s = 25.0
        assert stopping()


@pytest.mark.parametrize("method", ["kpath", "greedy", "random"])
def test_the_published_methods_prove_nothing_and_are_never_better(planned, method):
    code, facts, told = planned(SMALL, "--method", method)

    assert code == 0
    assert not facts["proved_optimal"]
    assert facts["bottleneck_s"] >= 0.5
    assert f"found by {method}" in told


def test_a_published_method_that_finds_nothing_proves_nothing(planned):
    code, facts, _ = planned(cluster(mem_capacity_bytes=[100, 60, 100]), "--method", "greedy")

    assert code == 1
    assert facts["infeasible"] is None


def test_a_plan_is_tried_out_beside_what_it_promises(planned):
    code, facts, told = planned(SMALL, "--simulate", "100", "--jitter", "0.3", "--seed", "2")

    tried = facts["simulated"]
    assert code == 0
    assert (tried["inferences"], tried["jitter"], tried["seed"], tried["order_is_tight"]) == (100, 0.3, 2, True)
    assert tried["predicted"]["period_s"] == facts["bottleneck_s"]
    assert tried["simulated"]["period_s"] == pytest.approx(facts["bottleneck_s"], rel=0.01)
    assert tried["simulated"]["latency_alone_s"] == pytest.approx(facts["latency_s"], rel=0.01)
    assert tried["jittered"]["period_s"] != tried["simulated"]["period_s"]
    assert "jitter 0.3" in told


@pytest.mark.parametrize(
    ("part", "options"), [("simulated_facts", ["--simulate", "50"]), ("draw_pipeline", ["--plot", "plan.svg"])]
)
def test_a_plan_outlives_what_is_interrupted_after_it(planned, monkeypatch, part, options):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(plan_cluster, part, interrupted)

    code, facts, _ = planned(SMALL, *options)

    assert (code, facts["bottleneck_s"]) == (130, 0.5)
    assert "simulated" not in facts


def test_without_jitter_nothing_is_told_of_it(planned):
    assert planned(SMALL, "--simulate", "50")[1]["simulated"]["jittered"] is None


def test_a_plan_that_costs_nothing_can_be_tried_out(planned):
    code, facts, _ = planned(cluster(mem_capacity_bytes=[100, 500, 100]), "--simulate", "50")

    assert (code, facts["simulated"]["simulated"]["period_s"]) == (0, 0.0)


@pytest.mark.exhaustive
def test_a_plan_is_drawn(planned, tmp_path):
    assert planned(SMALL, "--plot", str(tmp_path / "plan.svg"))[0] == 0
    assert "limited by the link from" in (tmp_path / "plan.svg").read_text()
