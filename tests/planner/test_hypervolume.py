import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.hypervolume import hypervolume, improvements, reference_point
from protocol.errors import InvalidInput

whole = st.integers(0, 12)
points = st.lists(st.tuples(whole, whole), max_size=12)
CORNER = (10, 10)


def cells(found, corner=CORNER):
    """The area, counted cell by cell."""
    return sum(
        any(first <= column and second <= row for first, second in found)
        for column in range(corner[0])
        for row in range(corner[1])
    )


@given(points)
def test_it_is_the_area_that_the_points_dominate(found):
    assert hypervolume(found, CORNER) == cells(found)


@given(points, st.tuples(whole, whole))
def test_another_point_never_makes_it_smaller(found, another):
    assert hypervolume([*found, another], CORNER) >= hypervolume(found, CORNER)


@given(points.filter(len), st.randoms())
def test_neither_order_nor_repeats_matter(found, random):
    shuffled = [*random.sample(found, len(found)), found[0]]

    assert hypervolume(shuffled, CORNER) == hypervolume(found, CORNER)


@given(points.filter(len), st.floats(0.1, 50), st.floats(0.1, 50))
def test_it_scales_with_the_units_of_the_axes(found, first, second):
    scaled = np.array(found) * (first, second)

    assert hypervolume(scaled, (10 * first, 10 * second)) == pytest.approx(hypervolume(found, CORNER) * first * second)


@given(points.filter(len))
def test_the_reference_point_lies_beyond_all_points(found):
    corner = reference_point(found)

    assert (corner >= np.array(found).max(axis=0)).all()
    assert corner == pytest.approx(1.1 * np.array(found).max(axis=0))


@pytest.mark.parametrize("found", [[(1.0, float("nan"))], [(float("inf"), 1.0)]])
def test_figures_that_are_not_finite_are_refused(found):
    with pytest.raises(InvalidInput, match="not finite"):
        hypervolume(found, CORNER)


def test_points_of_three_figures_are_refused():
    with pytest.raises(InvalidInput, match="two figures"):
        hypervolume([(1, 2, 3)], CORNER)


def test_a_reference_of_nothing_is_refused():
    with pytest.raises(InvalidInput, match="two figures"):
        reference_point([])


@given(points, st.tuples(whole, whole))
def test_an_improvement_is_what_a_point_adds(found, another):
    front = np.array(found, dtype=float).reshape(-1, 2)
    grown = hypervolume([*found, another], CORNER) - hypervolume(found, CORNER)

    assert improvements(np.array([another], dtype=float), front=front, reference=np.array(CORNER)) == grown


@pytest.mark.parametrize("reference", [[(10, 10), (20, 20)], [(10, 10)], 10, (10, 10, 10)])
def test_a_reference_that_is_not_one_point_is_refused(reference):
    with pytest.raises(InvalidInput, match="reference must be a pair of figures"):
        hypervolume([(1, 2)], reference)
