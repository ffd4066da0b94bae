import pytest

from hardware.clock import VirtualClock
from hardware.power.meter import MeterLost
from hardware.power.scripted import ScriptedMeter, Step
from protocol.errors import InvalidInput

SCRIPT = [Step(0, 2.0), Step(10, 5.0), Step(20, None), Step(30, 1.0)]


def test_power_follows_the_script():
    clock = VirtualClock()
    meter = ScriptedMeter(SCRIPT, clock=clock)

    first = meter.read()
    clock.sleep(10)

    assert (first.watts, meter.read().watts) == (2.0, 5.0)


def test_a_meter_with_a_period_shows_its_latest_value():
    clock = VirtualClock()
    meter = ScriptedMeter(SCRIPT, clock=clock, period_s=4)

    clock.sleep(11)
    early = meter.read().watts
    clock.sleep(1)

    assert (early, meter.read().watts) == (2.0, 5.0)


def test_a_lost_meter_comes_back_and_has_counted_nothing_meanwhile():
    clock = VirtualClock(start_s=100)
    meter = ScriptedMeter(SCRIPT, clock=clock, counts_joules=True)

    clock.sleep(25)
    with pytest.raises(MeterLost):
        meter.read()
    clock.sleep(10)

    assert meter.read().joules == 2 * 10 + 5 * 10 + 1 * 5


@pytest.mark.parametrize("script", [[], [Step(1, 2.0)], [Step(0, 2.0), Step(0, 3.0)]])
def test_a_script_out_of_order_is_refused(script):
    with pytest.raises(InvalidInput, match="starts at 0 s"):
        ScriptedMeter(script)
