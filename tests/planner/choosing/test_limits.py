import pytest

from planner.choosing.limits import NO_LIMITS, Limits
from planner.pricing import Parts
from protocol.configuration import Configuration
from protocol.errors import InvalidInput
from protocol.table import Row

LAST = 9


def row(cut: int, *, accuracy: float | None = None) -> Row:
    sends = cut < LAST
    return Row(
        Configuration(cut, 1_800_000), 5.0, 20.0, 2.0, 800 * sends, 100 * sends, 4.0 * sends, 9.0, None, accuracy
    )


@pytest.mark.parametrize("cut", [5, 6, LAST])
def test_a_cut_that_is_late_enough_may_be_used(cut):
    Limits(min_cut=5).check_cut(cut, last=LAST)


def test_edge_only_sends_nothing_and_may_be_used_however_late_a_cut_must_be():
    Limits(min_cut=99).check_cut(LAST, last=LAST)


def test_an_earlier_cut_is_refused_by_number():
    with pytest.raises(InvalidInput, match="cut 4 is below this device's min_cut 5"):
        Limits(min_cut=5).check_cut(4, last=LAST)


def test_a_table_that_leaves_one_row_may_be_used():
    Limits(min_cut=5, min_accuracy=0.8).check_table(Parts.of([row(0, accuracy=0.9), row(6), row(6, accuracy=0.8)]))
    NO_LIMITS.check_table(Parts.of([row(0)]))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(min_cut=7), "min_cut 7"),
        (Limits(min_accuracy=0.95), r"min_accuracy 0\.95"),
        (Limits(min_cut=5, min_accuracy=0.9), r"min_accuracy 0\.9"),
    ],
)
def test_a_table_of_which_no_row_could_ever_be_used_is_refused_with_the_reason(limits, reason):
    with pytest.raises(InvalidInput, match=reason):
        limits.check_table(Parts.of([row(0, accuracy=0.9), row(6)]))


@pytest.mark.parametrize("khz", [599_999, 1_800_000])
def test_a_clock_outside_the_allowed_ones_is_refused_by_number(khz):
    limits = Limits(min_clock_khz=600_000, max_clock_khz=1_500_000)

    with pytest.raises(
        InvalidInput, match=f"clock {khz} kHz may not be used.*min_clock_khz 600000 and max_clock_khz 1500000"
    ):
        limits.check_clock(khz)
    limits.check_clock(600_000)


def test_a_table_with_no_allowed_clock_is_refused():
    with pytest.raises(InvalidInput, match=r"no row that this device may use has a clock .* max_clock_khz 1500000"):
        Limits(max_clock_khz=1_500_000).check_table(Parts.of([row(0), row(6)]))


def test_the_allowed_clocks_of_a_ladder_and_none_at_all():
    ladder_khz = (600_000, 1_000_000, 1_800_000)

    assert Limits(min_clock_khz=700_000).allowed_khz(ladder_khz) == (1_000_000, 1_800_000)
    with pytest.raises(InvalidInput, match="it has 600000, 1000000, 1800000"):
        Limits(min_clock_khz=2_000_000).allowed_khz(ladder_khz)


def test_limits_on_clocks_that_contradict_each_other_are_refused():
    with pytest.raises(InvalidInput, match="min_clock_khz"):
        Limits(min_clock_khz=2, max_clock_khz=1)
