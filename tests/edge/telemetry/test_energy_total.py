"""The energy total: it counts by what the meter has, never goes back, and survives a crash at every step."""

from __future__ import annotations

import itertools

import pytest

from edge.telemetry.energy_total import EnergyTotal
from hardware.power.meter import MeterLost, Reading
from protocol.configuration import Provenance

KWH_J = 3.6e6


class Readings:
    """A meter that shows what it is given; None: lost."""

    period_s = 0.1

    def __init__(self, *readings: Reading | None, provenance: Provenance = Provenance.MEASURED) -> None:
        self.provenance = provenance
        self._readings = iter(readings)

    def read(self) -> Reading:
        reading = next(self._readings)
        if reading is None:
            raise MeterLost("unplugged")
        return reading


@pytest.fixture
def path(tmp_path):
    return tmp_path / "energy.json"


def total_of(path, *readings: Reading | None, **change) -> list:
    total = EnergyTotal(Readings(*readings, **change), path)
    return [total.look() for _ in readings]


def test_a_counter_is_taken_at_its_word(path):
    spent = total_of(path, Reading(5.0, 100.0, 0.0), Reading(1.0, 1300.0, 60.0))
    assert spent[-1].kwh == pytest.approx(1200 / KWH_J)
    assert spent[-1].watts == 1.0
    assert spent[-1].kinds == (Provenance.MEASURED,)


def test_without_a_counter_it_is_an_estimate_from_the_powers(path):
    spent = total_of(path, Reading(10.0, None, 0.0), Reading(20.0, None, 100.0))
    assert spent[-1].kwh == pytest.approx(1500 / KWH_J)
    assert spent[-1].kinds == (Provenance.ESTIMATED,)


def test_an_emulated_meter_stays_emulated(path):
    spent = total_of(path, Reading(10.0, None, 0.0), Reading(20.0, None, 100.0), provenance=Provenance.EMULATED)
    assert spent[-1].kinds == (Provenance.EMULATED,)


def test_a_counter_that_began_again_is_not_negative(path):
    spent = total_of(path, Reading(10.0, 5000.0, 0.0), Reading(10.0, 1.0, 100.0))
    assert spent[-1].kwh == pytest.approx(1000 / KWH_J)


def test_a_lost_meter_tells_no_power_and_what_it_missed_is_counted_later(path):
    spent = total_of(path, Reading(4.0, 0.0, 0.0), None, Reading(4.0, 400.0, 100.0))
    assert [each.watts for each in spent] == [4.0, None, 4.0]
    assert [each.kwh for each in spent] == [0.0, 0.0, pytest.approx(400 / KWH_J)]


def test_what_a_counter_bridges_while_the_meter_is_lost_is_an_estimate(path):
    spent = total_of(
        path, Reading(4.0, 0.0, 0.0), None, Reading(4.0, 400.0, 100.0, gaps=1), Reading(4.0, 404.0, 101.0, gaps=1)
    )
    assert [each.kinds for each in spent] == [
        (),
        (),
        (Provenance.ESTIMATED,),
        (Provenance.MEASURED, Provenance.ESTIMATED),
    ]


def test_it_goes_on_after_a_restart_and_lists_every_kind(path):
    total_of(path, Reading(4.0, 0.0, 0.0), Reading(4.0, 720.0, 180.0))
    spent = total_of(path, Reading(4.0, None, 0.0), Reading(4.0, None, 180.0))
    assert spent[0].kwh == pytest.approx(720 / KWH_J)
    assert spent[-1].kwh == pytest.approx(1440 / KWH_J)
    assert spent[-1].kinds == (Provenance.MEASURED, Provenance.ESTIMATED)


def test_a_clean_end_keeps_the_exact_total(path):
    total = EnergyTotal(Readings(Reading(4.0, 0.0, 0.0), Reading(4.0, 12.0, 3.0)), path)
    total.look()
    total.look()
    total.close()
    assert total_of(path, Reading(4.0, 0.0, 0.0))[0].kwh == pytest.approx(12 / KWH_J)


def test_what_was_told_is_never_taken_back(path):
    told = []
    for start in range(5):
        readings = [Reading(4.0, 150.0 * step, float(step)) for step in range(start + 3)]
        told += [spent.kwh for spent in total_of(path, *readings)]
    assert all(before <= after for before, after in itertools.pairwise(told))
    assert told[-1] > 0


@pytest.mark.exhaustive
def test_whatever_moment_a_write_ends_at_the_old_or_the_new_is_there(tmp_path, crashes):
    prepared = tmp_path / "data"
    prepared.mkdir()
    total_of(prepared / "energy.json", Reading(4.0, 0.0, 0.0), Reading(4.0, 720.0, 1.0))

    def grow(folder):
        total_of(folder / "energy.json", Reading(4.0, 0.0, 0.0), Reading(4.0, 360.0, 1.0))

    for crash in crashes(grow, prepared=prepared):
        left = total_of(crash.folder / "energy.json", Reading(4.0, 0.0, 0.0))[0].kwh * KWH_J
        assert left in ((pytest.approx(1080),) if crash.done else (pytest.approx(720), pytest.approx(1080))), crash


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": 1, "joules": -1, "kinds": []}'])
def test_a_file_that_cannot_be_read_is_set_aside(path, content):
    path.write_bytes(content)
    assert total_of(path, Reading(4.0, 0.0, 0.0))[0].kwh == 0.0
    assert path.with_suffix(".broken").read_bytes() == content


def test_a_disk_that_takes_nothing_stops_the_total_not_the_device(tmp_path):
    spent = total_of(tmp_path / "away" / "energy.json", Reading(4.0, 0.0, 0.0), Reading(4.0, 9000.0, 1.0))
    assert (spent[-1].watts, spent[-1].kwh) == (4.0, 0.0)
