"""GPUs: what is missing is said, and what their driver counts is counted."""

import inspect
import sys

import pytest

from hardware.clock import VirtualClock
from hardware.fakes.nvml import FakeNvml, NVMLError
from hardware.power.meter import MeterLost
from hardware.power.nvml import NvmlMeter
from protocol.errors import NotFound, ServiceMissing


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)

    with pytest.raises(ServiceMissing, match="pip install nvidia-ml-py"):
        NvmlMeter()


def test_the_fake_is_like_the_package(clock):
    pynvml = pytest.importorskip("pynvml", reason="pip install nvidia-ml-py")
    fake = FakeNvml(70, clock=clock)

    for name in (name for name in vars(FakeNvml) if name.startswith("nvml")):
        real = inspect.signature(getattr(pynvml, name)).parameters.values()
        needed = [each for each in real if each.default is each.empty]
        assert len(inspect.signature(getattr(fake, name)).parameters) == len(needed), name
    for number in (3, 9, 15):
        assert (pynvml.NVMLError(number).value, str(pynvml.NVMLError(number))) == (number, str(NVMLError(number)))


def test_a_missing_driver_is_said(clock):
    with pytest.raises(ServiceMissing, match="Driver Not Loaded; is the NVIDIA driver installed"):
        NvmlMeter(nvml=FakeNvml(70, clock=clock, loaded=False))


def test_a_gpu_that_is_not_there_is_refused_with_how_many_are(clock):
    with pytest.raises(NotFound, match="GPU 1 is not here; NVML counts 1"):
        NvmlMeter(1, nvml=FakeNvml(70, clock=clock))


def test_a_gpu_that_keeps_no_count_tells_watts_alone(clock):
    meter = NvmlMeter(nvml=FakeNvml(70, clock=clock, counts=False), clock=clock)

    assert (meter.read().watts, meter.read().joules) == (70.0, None)


def test_what_was_drawn_while_a_gpu_was_lost_is_not_counted(clock):
    nvml = FakeNvml(70, clock=clock)
    meter = NvmlMeter(nvml=nvml, clock=clock)
    meter.read()
    clock.sleep(1)
    before = meter.read().joules

    nvml.lost = True
    with pytest.raises(MeterLost, match="GPU is lost"):
        meter.read()
    clock.sleep(100)
    nvml.lost = False

    assert (before, meter.read().joules) == (70.0, 70.0)
    clock.sleep(1)
    assert meter.read().joules == 140.0


def test_a_closed_meter_lets_go_of_the_driver(clock):
    nvml = FakeNvml(70, clock=clock)

    NvmlMeter(nvml=nvml, clock=clock).close()

    with pytest.raises(ServiceMissing):
        NvmlMeter(nvml=nvml, clock=clock)
