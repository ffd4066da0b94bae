"""nodes.toml: what is written reads as the same cluster, and every fault is one line that says what and where."""

from __future__ import annotations

import numpy as np
import pytest

from planner.pipeline.instance import Medium
from protocol.errors import InvalidInput
from tools.clusters.cluster import Cluster, NodeEntry
from tools.clusters.nodes_file import nodes_toml, parse_nodes, read_nodes

GOOD = """
schema = 1
medium = "shared"
[dispatcher]
position_m = [75, 75.0]
[[nodes]]
name = "pi-a"
board = "pi4"
clock_khz = 1500000
memory_mib = 512
position_m = [10.0, 4.0]
[[nodes]]
name = "pi-b"
memory_mib = 64.5
idle_w = 2.7
busy_w = 4
[rates]
mbps = [[0.0, 5.2], [4.1, 0.0]]
from_dispatcher_mbps = [20.0, 18.0]
to_dispatcher_mbps = [0, 17]
"""

LINKS = """
schema = 1
[[nodes]]
name = "a"
memory_mib = 1
[[nodes]]
name = "b"
memory_mib = 1
[[nodes]]
name = "c"
memory_mib = 1
[[links]]
from = "a"
to = "b"
mbps = 8
[[links]]
from = "c"
to = "b"
mbps = 16.0
both = false
"""


def test_a_file_is_read_in_bytes_and_bytes_per_second():
    cluster = parse_nodes(GOOD, what="nodes.toml")

    assert cluster.medium is Medium.SHARED
    assert cluster.dispatcher_m == (75.0, 75.0)
    assert cluster.nodes[0] == NodeEntry("pi-a", 512.0, "pi4", 1_500_000, position_m=(10.0, 4.0))
    assert cluster.nodes[1].memory_bytes == 64.5 * 2**20
    np.testing.assert_allclose(cluster.rate, np.array([[0, 5.2], [4.1, 0]]) * 125_000)
    np.testing.assert_allclose(cluster.rate_in, [2_500_000, 2_250_000])
    np.testing.assert_allclose(cluster.rate_out, [0, 2_125_000])


def test_links_go_both_ways_unless_they_say_otherwise_and_what_is_not_named_does_not_exist():
    cluster = parse_nodes(LINKS, what="nodes.toml")

    np.testing.assert_allclose(cluster.rate, np.array([[0, 1, 0], [1, 0, 0], [0, 2, 0]]) * 1e6)


def test_without_a_dispatcher_the_ways_in_and_out_cost_nothing():
    cluster = parse_nodes(LINKS, what="nodes.toml")

    assert not cluster.has_dispatcher
    assert np.isinf(cluster.rate_in).all()
    assert np.isinf(cluster.rate_out).all()


def test_links_to_the_dispatcher_are_named_as_others_are():
    text = LINKS + "[dispatcher]\n" + '[[links]]\nfrom = "dispatcher"\nto = "a"\nmbps = 80\n'

    cluster = parse_nodes(text, what="nodes.toml")

    np.testing.assert_allclose(cluster.rate_in, [1e7, 0, 0])
    np.testing.assert_allclose(cluster.rate_out, [1e7, 0, 0])


@pytest.mark.parametrize("text", [GOOD, LINKS])
def test_what_is_written_reads_as_the_same_cluster(tmp_path, text):
    cluster = parse_nodes(text, what="nodes.toml")
    path = tmp_path / "nodes.toml"
    path.write_text(nodes_toml(cluster))

    again = read_nodes(path)

    assert (again.nodes, again.medium, again.dispatcher_m) == (cluster.nodes, cluster.medium, cluster.dispatcher_m)
    for name in ("rate", "rate_in", "rate_out"):
        np.testing.assert_allclose(getattr(again, name), getattr(cluster, name), rtol=1e-11)
    assert nodes_toml(again) == nodes_toml(cluster)


def test_a_board_may_be_a_path_with_any_characters():
    node = NodeEntry("a", 1.0, 'boards/"odd"\\one\n.toml')
    cluster = Cluster((node, NodeEntry("b", 1.0)), np.ones((2, 2)), np.full(2, np.inf), np.full(2, np.inf))

    assert parse_nodes(nodes_toml(cluster), what="nodes.toml").nodes[0] == node


def _without(text: str, *lines: str) -> str:
    return "\n".join(line for line in text.splitlines() if line not in lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nodes = [", "is not valid TOML"),
        ("schema = 2", "newer than 1"),
        ("", "lacks 'schema'"),
        ("schema = 1", "the cluster is empty: it has no node"),
        (GOOD + "[extra]", "unknown field 'extra'"),
        (GOOD.replace("memory_mib = 512", "memory_mb = 512"), r"nodes\[0\]: unknown field 'memory_mb'"),
        (_without(GOOD, "memory_mib = 512"), r"nodes\[0\] lacks 'memory_mib'"),
        (GOOD.replace("memory_mib = 512", "memory_mib = 0"), "node pi-a: memory_mib must be more than 0, not 0"),
        (GOOD.replace("memory_mib = 512", "memory_mib = nan"), r"nodes\[0\]: 'memory_mib' must be a finite number"),
        (GOOD.replace("memory_mib = 512", 'memory_mib = "512"'), r"nodes\[0\]: 'memory_mib' must be a number"),
        (GOOD.replace("idle_w = 2.7", "idle_w = -2.7"), "node pi-b: idle_w must be 0 or more, not -2.7"),
        (GOOD.replace("idle_w = 2.7", "idle_w = 5"), r"pi-b draws less busy \(4.0 W\) than idle \(5.0 W\)"),
        (GOOD.replace("[10.0, 4.0]", "[10.0]"), r"nodes\[0\]: 'position_m' must be two numbers"),
        (GOOD.replace("[10.0, 4.0]", "[10.0, -1e308]"), r"nodes\[0\]: 'position_m' must lie within 1e\+06 m of 0, not"),
        (GOOD.replace("[75, 75.0]", "[2e6, 0]"), r"dispatcher: 'position_m' must lie within 1e\+06 m of 0, not"),
        (GOOD.replace('"shared"', '"air"'), "'medium' must be one of links, half_duplex, shared, not 'air'"),
        (GOOD.replace('"pi-b"', '"pi-a"'), "two nodes are called pi-a"),
        (GOOD.replace('"pi-b"', '"dispatcher"'), "no node may be called dispatcher"),
        (GOOD.replace('"pi-b"', '"pi b"'), "a node's name 'pi b' must be"),
        (
            GOOD.replace("[[0.0, 5.2], [4.1, 0.0]]", "[[0.0, 5.2]]"),
            "'mbps' must have a row for each of the 2 nodes, not 1",
        ),
        (GOOD.replace("[4.1, 0.0]", "[4.1]"), r"'mbps'\[1\] must have an entry for each of the 2 nodes, not 1"),
        (GOOD.replace("4.1", "-4.1"), r"rates: 'mbps'\[1\]\[0\] must be 0 or more, not -4.1"),
        (GOOD.replace("4.1", "1e308"), r"rates: 'mbps'\[1\]\[0\] must be 0, or 1e-09 to 1e\+09 Mbit/s, not 1e\+308"),
        (GOOD.replace("17]", "1e-320]"), r"'to_dispatcher_mbps'\[1\] must be 0, or 1e-09 to 1e\+09 Mbit/s, not 1e-320"),
        (LINKS.replace("mbps = 8", "mbps = 1e10"), r"links\[0\]: 'mbps' must be 0, or 1e-09 to 1e\+09 Mbit/s, not"),
        (GOOD.replace("= 64.5", "= 1e308"), r"node pi-b: memory_mib must be at most 1e\+12, not 1e\+308"),
        (GOOD.replace("busy_w = 4", "busy_w = 1e308"), r"node pi-b: busy_w must be at most 1e\+06, not 1e\+308"),
        (GOOD.replace("4.1", "nan"), r"rates: 'mbps'\[1\]\[0\] must be a finite number"),
        (GOOD.replace("[4.1, 0.0]", "7"), r"rates: 'mbps'\[1\] must be a list, not 7"),
        (_without(GOOD, "to_dispatcher_mbps = [0, 17]"), "rates lacks 'to_dispatcher_mbps'"),
        (_without(GOOD, "[dispatcher]", "position_m = [75, 75.0]"), "'from_dispatcher_mbps' needs a dispatcher"),
        (GOOD + '[[links]]\nfrom = "pi-a"\nto = "pi-b"\nmbps = 1', "give what lies between the nodes once"),
        (GOOD.partition("[rates]")[0], "give what lies between the nodes once"),
        (LINKS.replace('from = "c"', 'from = "d"'), r"links\[1\]: there is no node 'd'"),
        (LINKS.replace('to = "b"\nmbps = 16.0', 'to = "c"\nmbps = 16.0'), r"links\[1\]: c needs no link to itself"),
        (LINKS.replace('from = "c"', 'from = "a"'), r"links\[1\]: the link from a to b is named twice"),
        (LINKS.replace('from = "c"', 'from = "dispatcher"'), "there is no dispatcher"),
        (LINKS.partition('[[links]]\nfrom = "c"')[0], "node c cannot be reached: it has no link"),
        ('schema = 1\n[[nodes]]\nname = "a"\nmemory_mib = 1\n[rates]\nmbps = [[0]]', "at least two nodes, not a alone"),
    ],
)
def test_a_fault_is_one_line_that_says_what_and_where(text, told):
    with pytest.raises(InvalidInput, match=told) as caught:
        parse_nodes(text, what="nodes.toml")

    assert str(caught.value).startswith("nodes.toml")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"nodes file .*nodes\.toml cannot be read: No such file"):
        read_nodes(tmp_path / "nodes.toml")
