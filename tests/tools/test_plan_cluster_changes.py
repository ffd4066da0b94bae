"""`dynasplit plan-cluster --running` and `--survive`: what moves, what is laid out, and one line for whatever is wrong."""

import json

import pytest

from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from tools.cli import main

FOUR = {
    "name": "four",
    "model": {"transfer_mbit": [1.0, 8.0, 8.0, 0.0], "segment_mem_bytes": [60.0, 60.0, 60.0]},
    "cluster": {
        "bandwidth_mbps": [[0, 8, 4, 4], [8, 0, 4, 4], [4, 4, 0, 4], [4, 4, 4, 0]],
        "mem_capacity_bytes": [100, 150, 150, 150],
    },
}

NODES = """
schema = 1
[dispatcher]
[[nodes]]
name = "a"
board = "emulated-pi4"
memory_mib = 4
[[nodes]]
name = "b"
board = "emulated-pi4"
memory_mib = 4
[[nodes]]
name = "c"
board = "emulated-pi4"
memory_mib = 4
[rates]
mbps = [[0, 9, 9], [9, 0, 9], [9, 9, 0]]
from_dispatcher_mbps = [20, 20, 20]
to_dispatcher_mbps = [20, 20, 20]
"""


def four(**changes):
    return FOUR | {"cluster": FOUR["cluster"] | changes}


@pytest.fixture
def planned(tmp_path, capsys):
    """Plans an instance with these options: the exit code, the facts, and what people read."""

    def plan(content, *options):
        path = tmp_path / "instance.json"
        path.write_text(json.dumps(content))
        code = main(["plan-cluster", str(path), *map(str, options), "--json", "-"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, " ".join(captured.err.split())

    return plan


@pytest.fixture
def running(planned, tmp_path):
    """What the best plan of the four nodes wrote."""

    def written(*options):
        path = tmp_path / "running.json"
        path.write_text(json.dumps(planned(FOUR, *options)[1]))
        return path

    return written


def test_what_a_lost_node_held_is_moved_from_the_dispatcher_at_once(planned, running):
    plan = running()

    code, facts, told = planned(four(mem_capacity_bytes=[0, 150, 150, 150]), "--running", plan)

    change = facts["change"]
    assert code == 0
    assert json.loads(plan.read_text())["nodes"] in ([0, 1], [1, 0])
    assert (change["runs_still"], change["pays"], change["after_s"]) == (False, True, 0.0)
    assert [(move["from"], move["bytes"]) for move in change["moves"]] == [(None, change["moved_bytes"])]
    assert change["moving_s"] is None
    assert "cannot run any more: move at once" in told
    assert 0 not in facts["nodes"]


def test_a_running_plan_that_is_still_the_best_stays(planned, running):
    code, facts, told = planned(FOUR, "--running", running())

    assert code == 0
    assert facts["change"]["stays"]
    assert facts["change"]["moves"] == []
    assert "the running plan stays" in told


def test_a_link_that_got_slow_is_left_when_that_pays(planned, running):
    slow = [[0, 1, 4, 4], [1, 0, 4, 4], [4, 4, 0, 4], [4, 4, 4, 0]]

    _, facts, told = planned(four(bandwidth_mbps=slow), "--running", running())

    change = facts["change"]
    assert (change["running_value"], facts["bottleneck_s"], change["best_value"]) == (8.0, 2.0, 2.0)
    assert change["moved_bytes"] == 60.0
    assert change["moving_s"] == pytest.approx(60.0 / (4 * 2**20 / 8))
    assert change["after_inferences"] == pytest.approx(change["moving_s"] / 6.0)
    assert f"{change['after_s']:.4g} s" in told


def test_spare_copies_of_a_plan_that_survives_need_no_moving(planned, running):
    plan = running("--survive", "1", "--loss", "2")

    _, facts, _ = planned(four(mem_capacity_bytes=[0, 150, 150, 150]), "--running", plan, "--tolerance", "2")

    assert facts["change"]["moved_bytes"] == 0


def test_what_survives_is_told_with_its_worst_loss_and_what_nodes_hold(planned):
    code, facts, told = planned(FOUR, "--survive", "1", "--loss", "1")

    survival = facts["survival"]
    assert code == 0
    assert facts["bottleneck_s"] == 1.0
    assert survival["worst"]["bottleneck_s"] <= survival["most_s"] == 2.0
    assert (survival["spare_bytes"], survival["least_spare_bytes"], survival["fewest_proven"]) == (180.0, 180.0, True)
    assert sum(each["weight_bytes"] for each in survival["held"]) == 360.0
    assert f"at worst, without node {survival['worst']['nodes'][0]}, one inference every" in told
    assert "proven to be the fewest" in told


def test_a_loss_that_is_not_survived_exits_3_and_is_named(planned):
    code, facts, told = planned(FOUR, "--survive", "1", "--loss", "0.5")

    assert code == 3
    assert facts["infeasible"] in told
    assert "without node 0 an inference takes 2 s or more, and 1.5 s is the most" in told


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--loss", "0.1"], "--survive"),
        (["--tolerance", "0.1"], "--running"),
        (["--survive", "0"], "of 4 nodes"),
        (["--survive", "4"], "of 4 nodes"),
        (["--survive", "1", "--loss", "nan"], "--loss"),
        (["--survive", "1", "--objective", "latency"], "--objective"),
        (["--survive", "1", "--method", "greedy"], "--method"),
        (["--survive", "1", "--running", "none.json"], "one at a time"),
        (["--running", "none.json"], "none.json"),
    ],
)
def test_bad_options_are_one_line(planned, options, named):
    code, _, told = planned(FOUR, *options)

    assert code == 2
    assert named in told


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "running.json"),
        ("{}", "no plan"),
        ('{"stages": [1]}', "stages[0]"),
        ('{"stages": [{"first": 0, "last": 2, "nodes": [0]}]}', "network of 2 pieces"),
        ('{"stages": [{"first": 0, "last": 3, "nodes": [0]}], "survival": {"held": [{"pieces": [[1]]}]}}', "pairs"),
        ('{"stages": [{"first": 0, "last": 3, "nodes": [0]}], "survival": {"held": [{"pieces": [[1, 9]]}]}}', "1 to 9"),
    ],
)
def test_a_running_plan_that_is_none_is_one_line(planned, tmp_path, content, named):
    path = tmp_path / "running.json"
    path.write_text(content)

    code, _, told = planned(FOUR, "--running", path)

    assert code == 2
    assert named in told


@pytest.mark.exhaustive
def test_a_bundles_plan_is_carried_over_by_the_names_of_nodes(tmp_path, capsys):
    made = make_bundle(digits_vgg(), tmp_path / "bundle", name="digits", cuts="all")
    nodes, document = tmp_path / "nodes.toml", tmp_path / "plan.json"
    nodes.write_text(NODES)

    def plan(*options):
        code = main(["plan-cluster", "--bundle", str(tmp_path / "bundle"), "--nodes", str(nodes), *options])
        capsys.readouterr()
        return code

    plan("--json", str(tmp_path / "before.json"))
    before = json.loads((tmp_path / "before.json").read_text())
    document.write_text(json.dumps(before["plan"]))
    nodes.write_text(NODES.replace(f'"{before["nodes"][0]}"', '"new"'))
    code = plan("--running", str(document), "--json", str(tmp_path / "after.json"))

    after = json.loads((tmp_path / "after.json").read_text())
    assert code == 0
    assert after["plan"]["bundle"] == made.digest
    assert (after["change"]["runs_still"], after["change"]["after_s"]) == (False, 0.0)
    assert after["change"]["moving_s"] > 0
    assert before["nodes"][0] not in [move["from"] for move in after["change"]["moves"]]
