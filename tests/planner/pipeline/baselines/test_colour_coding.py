"""Paths by colour coding, against trying every path."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.pipeline.baselines.colour_coding import path_of, widest_path


@given(seed=st.integers(0, 10**6), length=st.integers(2, 5))
def test_the_widest_path_of_up_to_five_nodes_is_found(seed, length):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(length, 7))
    rate = rng.integers(1, 6, (count, count)) * (rng.random((count, count)) < 0.6).astype(float)
    starts, ends = (set(rng.choice(count, 3).tolist()) for _ in range(2))
    widths = [
        min(rate[one, other] for one, other in pairwise(path))
        for path in permutations(range(count), length)
        if path[0] in starts and path[-1] in ends
    ]

    found = widest_path(rate, length, starts, ends, np.random.default_rng(seed))

    if max(widths, default=0) == 0:
        assert found is None
        return
    assert found is not None
    assert (found[0] in starts, found[-1] in ends, len(set(found))) == (True, True, length)
    assert min(rate[one, other] for one, other in pairwise(found)) == max(widths)


def test_a_path_of_one_node_needs_no_link():
    rng = np.random.default_rng(0)

    assert widest_path(np.zeros((3, 3)), 1, {0, 2}, {1, 2}, rng) == (2,)
    assert widest_path(np.zeros((3, 3)), 1, {0}, {1}, rng) is None


@pytest.mark.parametrize("length", [8, 12])
def test_long_paths_are_found_where_there_are_many(length):
    path = path_of(~np.eye(20, dtype=bool), length, set(range(20)), set(range(20)), np.random.default_rng(0))

    assert path is not None
    assert len(set(path)) == length
