from dataclasses import replace

import pytest

from planner.space import Space
from planner.suspects import sifting
from planner.suspects.finding import Suspect
from planner.suspects.sifting import Sifted
from protocol.errors import InvalidInput


@pytest.fixture
def measurements(world):
    return world.measure(Space(cuts=tuple(range(7)), clocks_khz=(600_000, 1_200_000)).configurations())


@pytest.fixture
def accuse(monkeypatch):
    def accuse(**ratios):
        suspects = [
            Suspect(int(name[1:]), "head_ms", 10 * ratio, 10.0, ratio, "no known fault")
            for name, ratio in ratios.items()
        ]
        monkeypatch.setattr(sifting, "find", lambda _: suspects)
        return suspects

    return accuse


def test_who_was_late_happened_and_who_looks_too_good_tells_nothing(measurements, accuse):
    accuse(_2=1.7, _5=0.4)

    sifted = Sifted.of(measurements)

    assert sifted.sound == [item for place, item in enumerate(measurements) if place not in (2, 5)]
    assert sifted.late == [measurements[2]]
    assert sifted.happened == [*sifted.sound, measurements[2]]


def test_who_trusts_all_is_told_of_the_suspects_all_the_same(measurements, accuse):
    suspects = accuse(_2=1.7, _5=0.4)

    sifted = Sifted.of(measurements, trust_all=True)

    assert (sifted.sound, sifted.late, sifted.suspects) == (measurements, [], suspects)


def test_where_nothing_is_sound_the_operator_is_told_what_to_do(measurements, accuse):
    accuse(_0=2.0)

    with pytest.raises(InvalidInput, match="measure again, or trust all"):
        Sifted.of(measurements[:1]).check()


def test_what_contradicts_nothing_is_sound(measurements):
    sifted = Sifted.of([*measurements, replace(measurements[3], throttled=True)])

    sifted.check()
    assert (len(sifted.sound), sifted.late, sifted.suspects) == (len(measurements) + 1, [], [])
