"""Real programs that tell the power, and what becomes of those that do not."""

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.fakes.programs import FakePrograms
from hardware.power.command import command_meter, figures
from hardware.power.meter import MeterLost
from hardware.power.pmic import pmic_meter, rails
from hardware.power.program import ChildProgram

DEADLINE_S = 20.0


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def ended(program: ChildProgram) -> ChildProgram:
    wait_until(lambda: program.ended() is not None)
    return program


def is_there(pid: int) -> bool:
    """Zombies are there too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_program_tells_its_output_and_status():
    program = ended(ChildProgram(python("print(2.5)")))

    assert (program.ended(), program.output()) == (0, "2.5\n")


def test_a_program_that_fails_tells_what_it_complained_of():
    program = ended(ChildProgram(python("import sys; print('starting', file=sys.stderr); sys.exit('no device')")))

    assert (program.ended(), program.complaint()) == (1, "no device")


def test_the_agents_settings_are_none_of_its_business(monkeypatch):
    monkeypatch.setenv("DYNASPLIT_DEVICE_TOKEN", "secret")

    program = ended(ChildProgram(python("import os; print([name for name in os.environ if 'DYNASPLIT' in name])")))

    assert program.output() == "[]\n"


def test_a_program_that_hangs_is_ended_and_leaves_no_zombie():
    program = ChildProgram(python("import time; time.sleep(1000)"))

    assert program.ended() is None
    program.end()

    assert program.ended() == -9
    assert not is_there(program._process.pid)


def test_what_a_program_leaves_running_is_ended_and_not_waited_for(tmp_path):
    left = tmp_path / "pid"
    program = ended(ChildProgram(["sh", "-c", f"sleep 1000 & echo $! > {left}; echo 2.5"]))

    assert program.output() == "2.5\n"
    grandchild = int(left.read_text())
    wait_until(lambda: not is_there(grandchild) or _state(grandchild) == "Z")


def _state(pid: int) -> str:
    """A grandchild is reaped by whoever adopted it, in its own time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_program_that_prints_without_end_is_ended_like_one_that_hangs():
    program = ChildProgram(python("while True: print('x' * 1000)"))

    program.end()

    assert len(program.output()) <= 65_536


def test_a_command_is_no_shells():
    meter = command_meter("echo 2.5; echo 3")

    with pytest.raises(MeterLost, match=r"printed '2.5; echo 3'"):
        meter.read()


def test_a_real_command_is_a_meter():
    meter = command_meter(shlex.join(python('print(\'{"watts": 3.5, "joules": 7}\')')))

    reading = meter.read()

    assert (reading.watts, reading.joules) == (3.5, 0.0)
    meter.close()


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("/nonexistent/watts", "cannot be started: No such file"),
        (shlex.join(python("raise SystemExit('no device')")), "ended with status 1: no device"),
        (shlex.join(python("print('warm')")), "printed 'warm': a number of watts is wanted"),
    ],
)
def test_a_command_that_is_no_meter_is_lost_with_the_reason(command, complaint):
    with pytest.raises(MeterLost, match=complaint):
        command_meter(command).read()


@pytest.mark.parametrize(
    "output", ["", "watts", "nan", "inf", '{"joules": 1}', '{"watts": "2"}', '{"watts": true}', "[2]"]
)
def test_an_output_without_watts_is_no_power(output):
    with pytest.raises(ValueError):
        figures(output)


def test_a_count_that_begins_again_never_goes_back():
    clock, counts = VirtualClock(), iter([100, 105, 2, 4])
    programs = FakePrograms(lambda _: f'{{"watts": 5, "joules": {next(counts)}}}', clock=clock)
    meter = command_meter("watts", start=programs.start, clock=clock, sleep=clock.sleep)

    joules = []
    for _ in range(4):
        clock.sleep(10)
        meter.read()
        clock.sleep(0.5)
        joules.append(meter.read().joules)

    assert joules == [0, 5, 5, 7]


def test_programs_run_one_at_a_time_and_only_once_a_period():
    clock = VirtualClock()
    programs = FakePrograms(lambda _: "2.5", clock=clock)
    meter = command_meter("watts --all", start=programs.start, clock=clock, sleep=clock.sleep)

    for _ in range(100):
        meter.read()
        clock.sleep(0.05)
        assert len(programs.running) <= 1

    assert programs.started == [("watts", "--all")] * 5


def test_a_program_that_hangs_makes_the_meter_lost_and_is_ended():
    clock = VirtualClock()
    programs = FakePrograms(lambda _: "2.5", clock=clock)
    programs.hanging = True
    meter = pmic_meter(start=programs.start, clock=clock, sleep=clock.sleep)

    with pytest.raises(MeterLost, match="did not end within 2 s"):
        meter.read()

    assert len(programs.running) <= 1
    meter.close()
    assert programs.running == []


PMIC = """\
 3V7_WL_SW_A current(0)=0.00195186A
   3V3_SYS_A current(1)=0.12589500A
   1V8_SYS_A current(2)=0.23129540A
    0V8_SW_A current(6)=0.30644200A
  VDD_CORE_A current(7)=0.82156000A
      HDMI_A current(22)=0.00036630A
 3V7_WL_SW_V volt(8)=3.70720000V
   3V3_SYS_V volt(9)=3.30260900V
   1V8_SYS_V volt(10)=1.81294100V
    0V8_SW_V volt(14)=0.80146440V
  VDD_CORE_V volt(15)=0.81203820V
      HDMI_V volt(23)=5.12416000V
     EXT5V_V volt(24)=5.13756000V
      BATT_V volt(25)=0.00000000V
"""


def test_a_power_chips_rails_are_volts_times_amperes():
    assert rails(PMIC).watts == pytest.approx(
        0.00195186 * 3.7072
        + 0.125895 * 3.302609
        + 0.2312954 * 1.812941
        + 0.306442 * 0.8014644
        + 0.82156 * 0.8120382
        + 0.0003663 * 5.12416
    )


@pytest.mark.parametrize(
    "output",
    ["", 'error=1 error_msg="Command not registered"', "EXT5V_V volt(24)=5.1V", "VDD_CORE_A current(7)=1A"],
)
def test_a_chip_that_tells_no_rail_is_no_meter(output):
    with pytest.raises(ValueError, match="no rail"):
        rails(output)
