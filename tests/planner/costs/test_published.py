"""Composition and suspects held to measurements that others made: the trials of DynaSplit (arXiv 2410.23881)."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.suspects.finding import find
from tools.benches.planner.composition import MOST_CELLS, NETWORKS, accused, cpu_heads
from tools.measurements.published import Recorded, read_published

pytestmark = pytest.mark.reference


def pool_of(reference: Path, network: str) -> Recorded:
    return read_published(reference / "dynasplit" / f"simulation_pool_{network}.csv")


def test_head_times_of_vgg16_compose_from_few_cells(reference: Path):
    heads = cpu_heads(pool_of(reference, "vgg16"))

    assert heads["cells"] <= MOST_CELLS
    assert heads["held_out"] > 150
    assert heads["median_error"] <= 0.02


@pytest.mark.parametrize("network", NETWORKS)
def test_no_mislabelled_head_is_missed_and_few_sound_ones_are_accused(reference: Path, network: str):
    pool = pool_of(reference, network)

    found = accused(pool, find(pool.measurements))

    assert found["wrong"] > 0
    assert found["missed"] == []
    assert found["sound_accused"] <= 0.02


def test_heads_on_the_tpu_sit_on_the_ticks_of_a_waiting_loop(reference: Path):
    pool = pool_of(reference, "vgg16")

    late = [suspect for suspect in find(pool.measurements) if "waiting tick" in suspect.cause]

    assert len(late) > 50
    assert sum(suspect.ratio > 1 for suspect in late) > 0.9 * len(late)
    assert {round(suspect.recorded, -1) for suspect in late} <= {40, 80, 140, 200, 500}
