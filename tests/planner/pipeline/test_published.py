"""A published instance: what is read, and that every fault is one line that says what and where."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from planner.pipeline.published import read_published
from protocol.documents import parse_object
from protocol.errors import InvalidInput

GOOD = {
    "model": {"segment_mem_bytes": [10, 20], "transfer_mbit": [1.0, 2.0, 0.0], "points": ["input", "conv", "dense"]},
    "cluster": {"bandwidth_mbps": [[0, 4.0], [8, 0.0]], "mem_capacity_bytes": [64, 32], "positions": [[1, 2], [3, 4]]},
}


def changed(part: str, **fields):
    content = copy.deepcopy(GOOD)
    content[part].update(fields)
    return content


def without(part: str, field: str):
    content = copy.deepcopy(GOOD)
    del content[part][field]
    return content


def test_a_mbit_has_two_to_the_twenty_bits():
    problem = read_published(GOOD, name="small")

    assert problem.name == "small"
    np.testing.assert_array_equal(problem.transfer_bytes, [[2**17, 2**18, 0]])
    np.testing.assert_array_equal(problem.rate, np.array([[0, 4], [8, 0]]) * 2**17)
    np.testing.assert_array_equal(problem.capacity_bytes, [64, 32])
    assert problem.pieces.labels == ("input", "conv", "dense")
    assert problem.nodes[1].position_m == (3.0, 4.0)


def test_names_and_places_may_be_left_out():
    content = without("model", "points")
    del content["cluster"]["positions"]

    problem = read_published(content)

    assert problem.pieces.labels == ("0", "1", "2")
    assert problem.nodes[0].position_m is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "it needs an object 'model'"),
        ({}, "it needs an object 'model'"),
        ({"model": GOOD["model"]}, "it needs an object 'cluster'"),
        ({"model": [1], "cluster": {}}, "it needs an object 'model'"),
        (without("model", "transfer_mbit"), r"model\.transfer_mbit must be a list of numbers"),
        (without("cluster", "bandwidth_mbps"), r"cluster\.bandwidth_mbps must be a list of rows"),
        (changed("model", segment_mem_bytes=[], transfer_mbit=[1.0]), r"model\.segment_mem_bytes is empty"),
        (changed("model", segment_mem_bytes=[], transfer_mbit=[]), r"model\.segment_mem_bytes is empty"),
        (
            changed("cluster", positions=[[1, 2], [1e308, 4]]),
            r"cluster\.positions\[1\] must lie within 1e\+06 m of 0, not at \[1e\+308, 4.0\]",
        ),
        (
            changed("model", transfer_mbit=[1e308, 2.0, 0]),
            r"model\.transfer_mbit\[0\] must be at most 1e\+12, not 1e\+308",
        ),
        (changed("model", segment_mem_bytes=[10, 1e308]), r"model\.segment_mem_bytes\[1\] must be at most 1e\+18, not"),
        (
            changed("cluster", bandwidth_mbps=[[0, 1e-320], [8, 0]]),
            r"cluster\.bandwidth_mbps\[0\]\[1\] must be 0, or 1e-09 to 1e\+09 Mbit/s, not 1e-320",
        ),
        (changed("cluster", bandwidth_mbps=[[0, 1], [1e308, 0]]), r"cluster\.bandwidth_mbps\[1\]\[0\] must be 0, or"),
        (changed("model", transfer_mbit=[1.0, 2.0]), r"one entry more than model\.segment_mem_bytes \(2\), not 2"),
        (
            changed("model", transfer_mbit=[1.0, -2.0, 0]),
            r"model\.transfer_mbit\[1\] must be a number of 0 or more, not -2",
        ),
        (changed("model", transfer_mbit=[1.0, "2", 0]), r"model\.transfer_mbit must be a list of numbers"),
        (changed("model", transfer_mbit=[1.0, True, 0]), r"model\.transfer_mbit must be a list of numbers"),
        (changed("model", segment_mem_bytes=[1, [2]]), r"model\.segment_mem_bytes must be a list of numbers"),
        (changed("model", segment_mem_bytes=[1, 10**400]), r"model\.segment_mem_bytes must be a list of numbers"),
        (changed("cluster", mem_capacity_bytes=[64]), r"must be 1 x 1, as mem_capacity_bytes has 1 nodes, not 2 x 2"),
        (
            changed("cluster", mem_capacity_bytes=[64, float("nan")]),
            r"cluster\.mem_capacity_bytes\[1\] must be a number",
        ),
        (changed("cluster", bandwidth_mbps=[[0, 4], [8, 0], [1, 1]]), "must be 2 x 2, .* not 3 x 2"),
        (changed("cluster", bandwidth_mbps=[[0, 4], [8]]), r"cluster\.bandwidth_mbps must be a list of rows"),
        (changed("cluster", bandwidth_mbps=[0, 4]), r"cluster\.bandwidth_mbps must be a list of rows"),
        (changed("cluster", bandwidth_mbps=[[0, -4], [8, 0]]), r"cluster\.bandwidth_mbps\[0\]\[1\] must be .* not -4"),
        (changed("cluster", bandwidth_mbps=[[0, float("inf")], [8, 0]]), r"cluster\.bandwidth_mbps\[0\]\[1\] must be"),
        (changed("cluster", bandwidth_mbps=[[0]], mem_capacity_bytes=[64]), "has 1 node"),
        (changed("cluster", bandwidth_mbps=[], mem_capacity_bytes=[]), "has 0 node"),
        (
            changed("cluster", bandwidth_mbps=[[0, 1, 0], [1, 0, 0], [0, 0, 9]], mem_capacity_bytes=[64, 64, 64]),
            "node 2 cannot be reached, its row and its column are 0",
        ),
    ],
)
def test_a_fault_is_one_line_that_says_what_and_where(content, told):
    with pytest.raises(InvalidInput, match=told) as caught:
        read_published(content)

    assert "\n" not in str(caught.value)


def test_numbers_that_are_none_are_refused_as_they_are_read():
    with pytest.raises(InvalidInput, match="NaN is not a finite JSON number"):
        parse_object(json.dumps(changed("cluster", mem_capacity_bytes=[64, float("nan")])), what="it")
