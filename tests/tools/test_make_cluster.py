"""`dynasplit make-cluster`, as a user meets it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from planner.pipeline.generating import Topology
from planner.pipeline.instance import Medium
from tools.cli import main
from tools.clusters.nodes_file import read_nodes


def make(path, *options: str) -> int:
    return main(["make-cluster", "--nodes", "12", "--seed", "1", "-o", str(path), *options])


@pytest.mark.parametrize("topology", [each.value for each in Topology])
def test_the_file_reads_as_a_cluster_and_the_same_seed_makes_the_same_bytes(tmp_path, topology):
    options = ("--topology", topology, "--memory-mib", "64,80,96", "--board", "pi4", "--board", "pi5")

    assert make(tmp_path / "one.toml", *options) == make(tmp_path / "two.toml", *options) == 0

    cluster = read_nodes(tmp_path / "one.toml")
    assert (tmp_path / "one.toml").read_bytes() == (tmp_path / "two.toml").read_bytes()
    assert [node.name for node in cluster.nodes][:2] == ["node-01", "node-02"]
    assert [node.board for node in cluster.nodes][:3] == ["pi4", "pi5", "pi4"]
    assert {node.memory_mib for node in cluster.nodes} <= {64.0, 80.0, 96.0}
    assert cluster.has_dispatcher == (topology == "star")


def test_places_stay_when_memory_is_drawn_from_more(tmp_path):
    make(tmp_path / "one.toml")
    make(tmp_path / "two.toml", "--memory-mib", "64,128")

    one, two = read_nodes(tmp_path / "one.toml"), read_nodes(tmp_path / "two.toml")

    assert [node.position_m for node in one.nodes] == [node.position_m for node in two.nodes]
    np.testing.assert_array_equal(one.rate, two.rate)


def test_the_medium_can_be_chosen(tmp_path):
    make(tmp_path / "nodes.toml", "--medium", "shared")

    assert read_nodes(tmp_path / "nodes.toml").medium is Medium.SHARED


def test_what_was_made_is_told(tmp_path, capsys):
    assert make(tmp_path / "nodes.toml", "--json", str(tmp_path / "facts.json")) == 0

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert (facts["nodes"], facts["links"], facts["medium"]) == (12, 132, "links")
    assert 0 < facts["least_mbps"] < facts["most_mbps"]
    assert "12 nodes, 132 links" in capsys.readouterr().err


def test_another_file_is_never_lost_but_the_same_one_may_be_made_again(tmp_path, capsys):
    path = tmp_path / "nodes.toml"
    assert make(path) == make(path) == 0
    made = path.read_text()

    assert make(path, "--side-m", "20") == 2

    assert path.read_text() == made
    assert f"{path} is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--nodes", "1"), "has 2 to 1000 nodes, not 1"),
        (("--seed", "-1"), "--seed must be 0 or more"),
        (("--side-m", "nan"), "the side of the square must be"),
        (("--memory-mib", "64,x"), "--memory-mib must be a number, or several: 64,80,96, not '64,x'"),
        (("--memory-mib", "0"), "--memory-mib must be numbers above 0, not 0"),
        (("--memory-mib", "inf"), "--memory-mib must be numbers above 0, not inf"),
        (("--board", "pi9"), "--board: board 'pi9' is not known; there are emulated-pi4, pi3"),
        (("--board", "/etc/hostname"), "board /etc/hostname"),
        (("--board", "none.toml"), "none.toml cannot be read"),
        (("--memory-mib", "1e305"), "memory_mib must be at most 1e+12, not 1e+305"),
        (("-o", "/proc/nodes.toml"), "cannot write /proc/nodes.toml"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, options, told):
    assert make(tmp_path / "nodes.toml", *options) == 2

    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "nodes.toml").exists()
