"""Clusters that are made up: the papers' family, one access point, and neighbours alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from planner.pipeline.generating import Topology, drawn, lay_out, rate_mbps
from planner.pipeline.instance import Medium
from protocol.errors import InvalidInput


def made(topology: Topology, count: int = 20, seed: int = 1, **how):
    return lay_out(topology, count, np.random.default_rng(seed), **how)


@pytest.mark.reference
def test_the_formula_gives_the_published_rates_of_the_published_places(reference: Path):
    for path in sorted((reference / "seifer").glob("*.json")):
        cluster = json.loads(path.read_text())["cluster"]
        places = np.array(cluster["positions"])
        published = np.array(cluster["bandwidth_mbps"])

        rates = rate_mbps(np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)))

        apart = ~np.eye(len(places), dtype=bool)
        np.testing.assert_allclose(rates[apart], published[apart], rtol=1e-6)


@pytest.mark.parametrize("topology", list(Topology))
def test_the_same_seed_makes_the_same_cluster_and_another_seed_another(topology):
    first, again, other = made(topology), made(topology), made(topology, seed=2)

    assert first.mbps.tobytes() == again.mbps.tobytes()
    assert first.positions_m.tobytes() == again.positions_m.tobytes()
    assert first.mbps.tobytes() != other.mbps.tobytes()


@pytest.mark.parametrize("topology", list(Topology))
def test_places_lie_in_the_square_and_links_go_both_ways(topology):
    layout = made(topology, side_m=40.0)

    assert layout.positions_m.min() >= 0
    assert layout.positions_m.max() <= 40
    assert not layout.mbps.diagonal().any()
    np.testing.assert_array_equal(layout.mbps, layout.mbps.T)


def test_in_wifi_everybody_reaches_everybody_faster_when_nearer():
    layout = made(Topology.WIFI)
    distance = np.hypot(*(layout.positions_m[:, None] - layout.positions_m[None]).transpose(2, 0, 1))

    order = np.argsort(distance[0, 1:])

    assert layout.medium is Medium.LINKS
    assert (layout.mbps[~np.eye(20, dtype=bool)] > 0).all()
    assert (np.diff(layout.mbps[0, 1:][order]) <= 0).all()


def test_in_a_star_a_byte_takes_the_air_twice():
    layout = made(Topology.STAR)

    assert layout.medium is Medium.SHARED
    assert layout.hub_m == (75.0, 75.0)
    both_hops = 1 / layout.hub_mbps[3] + 1 / layout.hub_mbps[8]
    assert 1 / layout.mbps[3, 8] == pytest.approx(both_hops, rel=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_a_mesh_is_connected_and_would_not_be_with_any_less_reach(seed):
    layout = made(Topology.MESH, 15, seed)
    distance = np.hypot(*(layout.positions_m[:, None] - layout.positions_m[None]).transpose(2, 0, 1))

    longest = distance[layout.mbps > 0].max()

    assert layout.medium is Medium.HALF_DUPLEX
    assert _reached(layout.mbps > 0) == 15
    assert _reached((layout.mbps > 0) & (distance < longest)) < 15


def _reached(links) -> int:
    """How many nodes are reached from the first over others."""
    seen, new = {0}, [0]
    while new:
        new = [int(each) for node in new for each in np.flatnonzero(links[node]) if int(each) not in seen]
        seen.update(new)
    return len(seen)


def test_nodes_at_one_place_have_a_rate_too():
    assert rate_mbps(np.array(0.0)) == rate_mbps(np.array(1.0)) == pytest.approx(18.1, abs=0.1)


def test_memory_is_drawn_from_the_choices():
    memory = drawn((64, 80, 96), 500, np.random.default_rng(1))

    assert set(memory) == {64, 80, 96}
    assert np.bincount(memory.astype(int))[[64, 80, 96]].min() > 120


@pytest.mark.parametrize(("count", "side_m"), [(1, 150.0), (1001, 150.0), (5, 0.0), (5, float("nan"))])
def test_what_makes_no_cluster_is_refused(count, side_m):
    with pytest.raises(InvalidInput, match="not"):
        made(Topology.WIFI, count, side_m=side_m)
