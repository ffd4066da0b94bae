"""Which meter a device gets."""

from __future__ import annotations

import base64
import time
from contextlib import ExitStack

import pytest

from edge.metering.sampler import Sampler
from edge.metering.starting import start_meter
from edge.settings import EdgeSettings
from hardware.fakes.kernel_trees import make_pi4, make_pi5
from hardware.power.estimated import EstimatedMeter
from hardware.power.meter import MeterLost
from protocol.configuration import Provenance
from protocol.errors import InvalidInput, NotFound


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


def settings(tmp_path, **change) -> EdgeSettings:
    needed = {
        "device": "camera-7",
        "data_dir": tmp_path,
        "sysfs": tmp_path,
        "backend_url": "http://cloud:8000",
        "device_token": "d",
    }
    key = base64.b64encode(bytes(32)).decode()
    return EdgeSettings(
        **{**needed, "broker_url": "mqtt://b", "operator_token": "o", "operator_public_key": key, **change}
    )


def started(given: EdgeSettings, stack: ExitStack):
    return start_meter(given.board, given.meter_spec, stack)


def test_an_emulated_board_brings_its_own(tmp_path, stack):
    assert started(settings(tmp_path), stack) is None


def test_a_board_that_nobody_knows_is_left_to_be_refused_as_such(tmp_path, stack):
    assert started(settings(tmp_path, board="toaster"), stack) is None


def test_without_a_meter_a_board_with_known_power_gets_an_estimate(tmp_path, stack):
    make_pi4(tmp_path)
    meter = started(settings(tmp_path, board="linux"), stack)
    assert isinstance(meter, EstimatedMeter)


def test_an_estimate_can_be_asked_for(tmp_path, stack):
    meter = started(settings(tmp_path, board="pi4", meter="estimated"), stack)
    assert meter.provenance is Provenance.ESTIMATED


@pytest.mark.system
def test_without_a_meter_energies_are_not_invented(tmp_path, stack):
    make_pi5(tmp_path)
    with pytest.raises(NotFound, match="no power meter found"):
        started(settings(tmp_path, board="linux"), stack)
    with pytest.raises(NotFound, match="is not here"):
        started(settings(tmp_path, board="pi4", meter="hwmon"), stack)


@pytest.mark.system
def test_a_sensor_is_sampled_by_a_process_of_its_own(tmp_path, stack):
    sensor = tmp_path / "class/hwmon/hwmon9"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("ina219\n")
    (sensor / "power1_input").write_text("2500000\n")
    meter = started(settings(tmp_path, board="linux"), stack)
    assert isinstance(meter, Sampler)
    assert meter.pid is not None
    assert first_reading(meter).watts == 2.5


def first_reading(meter):
    deadline_s = time.monotonic() + 30.0
    while True:
        try:
            return meter.read()
        except MeterLost:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)


@pytest.mark.parametrize("change", [{}, {"plug_broker_url": "mqtts://plugs"}])
def test_the_brokers_authorities_are_trusted_for_a_plug_too(tmp_path, change):
    given = settings(tmp_path, meter="shelly2:plug", ca_file=tmp_path / "ca.pem", **change)

    assert given.meter_spec.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize("change", [{"meter": "divining rod"}, {"plug_broker_url": "http://nowhere"}])
def test_what_cannot_be_is_refused_at_the_start(tmp_path, change):
    with pytest.raises(InvalidInput):
        settings(tmp_path, **change)
