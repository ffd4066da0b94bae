"""Which samples a minute is of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud.store.upkeep import sources
from cloud.store.upkeep.sources import MOST_RANGES, Sources


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=80))
def test_each_sample_is_new_once_and_neighbours_share_a_range(coming):
    known, made = set(), Sources(())
    for source in coming:
        assert made.add(source) == (source not in known)
        known.add(source)
        made = Sources(made.ranges())

    ranges = made.ranges()
    assert {(boot, each) for boot, first, last in ranges for each in range(first, last + 1)} == known
    assert not {(boot, last + 1) for boot, _, last in ranges} & {(boot, first) for boot, first, _ in ranges}


def test_a_clock_that_stands_still_closes_the_oldest_gaps():
    made = Sources(())
    for sequence in range(0, 4 * MOST_RANGES, 2):
        assert made.add(("boot", sequence))
        made = Sources(made.ranges())

    ranges = made.ranges()

    assert (len(ranges), ranges[0]) == (MOST_RANGES, ("boot", 0, 2 * MOST_RANGES))
    assert not made.add(("boot", 1))
    assert made.add(("boot", 4 * MOST_RANGES - 3))


def test_of_too_many_boots_the_oldest_go(monkeypatch):
    monkeypatch.setattr(sources, "MOST_RANGES", 3)
    made = Sources(())
    for number in range(5):
        for sequence in (1, 3):
            made.add((f"boot-{number}", sequence))

    assert made.ranges() == (("boot-2", 1, 3), ("boot-3", 1, 3), ("boot-4", 1, 3))
