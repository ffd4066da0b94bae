import errno
from pathlib import Path

import pytest

from hardware.board import ClockNotApplied
from hardware.clock import VirtualClock
from hardware.cpufreq import CpuFrequency
from hardware.fakes.cpufreq import FakeCpufreq, FakeCpufreqPolicies
from protocol.errors import InvalidInput, NotAllowed, NotFound

PI4 = (600_000, 700_000, 800_000, 1_000_000, 1_500_000, 1_800_000)


def frequency_of(tmp_path: Path, *fakes: FakeCpufreq) -> CpuFrequency:
    clock = VirtualClock()
    return CpuFrequency(tmp_path, write=FakeCpufreqPolicies(fakes).write, clock=clock, sleep=clock.sleep)


@pytest.fixture
def pi4(tmp_path) -> FakeCpufreq:
    return FakeCpufreq(tmp_path, PI4)


def running_khz(fake: FakeCpufreq) -> int:
    return int((fake.folder / "scaling_cur_freq").read_text())


def test_the_ladder_is_the_drivers_table(tmp_path, pi4):
    assert frequency_of(tmp_path, pi4).ladder_khz() == PI4


def test_without_a_table_the_ladder_has_the_two_ends(tmp_path):
    fake = FakeCpufreq(tmp_path, PI4, table=False)

    assert frequency_of(tmp_path, fake).ladder_khz() == (600_000, 1_800_000)


def test_policies_share_the_clocks_that_all_have(tmp_path):
    little = FakeCpufreq(tmp_path, (400_000, 800_000, 1_000_000), number=0)
    big = FakeCpufreq(tmp_path, (800_000, 1_000_000, 2_000_000), number=4)

    assert frequency_of(tmp_path, little, big).ladder_khz() == (800_000, 1_000_000)


def test_policies_without_a_shared_clock_are_refused(tmp_path):
    fakes = [FakeCpufreq(tmp_path, (400_000,), number=0), FakeCpufreq(tmp_path, (800_000,), number=10)]

    with pytest.raises(InvalidInput, match="policy0, policy10"):
        frequency_of(tmp_path, *fakes).ladder_khz()


def test_a_machine_without_cpufreq_is_told_so(tmp_path):
    with pytest.raises(NotFound, match="virtual machines"):
        CpuFrequency(tmp_path)


@pytest.mark.parametrize("userspace", [True, False])
@pytest.mark.parametrize("table", [True, False])
def test_every_clock_can_be_reached_from_every_other(tmp_path, userspace, table):
    fake = FakeCpufreq(tmp_path, PI4, userspace=userspace, table=table)
    frequency = frequency_of(tmp_path, fake)

    for start in frequency.ladder_khz():
        for end in frequency.ladder_khz():
            frequency.hold(start)

            assert frequency.hold(end) == end
            assert running_khz(fake) == end


def test_limits_that_somebody_set_before_do_not_stand_in_the_way(tmp_path, pi4):
    pi4.write(pi4.folder / "scaling_max_freq", "800000")
    frequency = frequency_of(tmp_path, pi4)

    frequency.hold(1_500_000)

    assert running_khz(pi4) == 1_500_000
    frequency.restore()
    assert pi4.settings()["scaling_max_freq"] == "800000"


def test_all_policies_get_the_clock(tmp_path):
    fakes = [FakeCpufreq(tmp_path, PI4, number=0), FakeCpufreq(tmp_path, PI4, number=4, userspace=False)]

    frequency_of(tmp_path, *fakes).hold(1_000_000)

    assert [running_khz(fake) for fake in fakes] == [1_000_000, 1_000_000]


@pytest.mark.parametrize("userspace", [True, False])
def test_governor_and_limits_are_put_back(tmp_path, userspace):
    fake = FakeCpufreq(tmp_path, PI4, userspace=userspace, governor="schedutil")
    found = fake.settings()
    frequency = frequency_of(tmp_path, fake)

    for khz in PI4:
        frequency.hold(khz)
    frequency.restore()

    assert fake.settings() == found


def test_a_speed_that_somebody_held_is_put_back_too(tmp_path, pi4):
    pi4.write(pi4.folder / "scaling_governor", "userspace")
    pi4.write(pi4.folder / "scaling_setspeed", "1000000")
    frequency = frequency_of(tmp_path, pi4)

    frequency.hold(1_800_000)
    frequency.restore()

    assert running_khz(pi4) == 1_000_000


def test_one_policy_that_cannot_be_put_back_does_not_keep_the_others_from_it(tmp_path):
    fakes = [FakeCpufreq(tmp_path, PI4, number=number) for number in (0, 4)]
    found = fakes[1].settings()
    frequency = frequency_of(tmp_path, *fakes)
    frequency.hold(600_000)
    fakes[0].locked = errno.EACCES

    with pytest.raises(NotAllowed, match="policy0"):
        frequency.restore()

    assert fakes[1].settings() == found
    fakes[0].locked = None
    frequency.restore()
    assert fakes[0].settings() == found


def test_a_kernel_that_says_yes_and_runs_at_another_clock_is_found_out(tmp_path, pi4):
    pi4.stuck_khz = 1_500_000

    with pytest.raises(ClockNotApplied, match=r"set to 800000 kHz but runs at 1500000 kHz"):
        frequency_of(tmp_path, pi4).hold(800_000)


def test_800_is_not_taken_for_1800(tmp_path, pi4):
    pi4.stuck_khz = 1_800_000

    with pytest.raises(ClockNotApplied, match="1800000"):
        frequency_of(tmp_path, pi4).hold(800_000)


def test_the_hardware_is_believed_more_than_the_kernel(tmp_path, pi4):
    (pi4.folder / "cpuinfo_cur_freq").write_text("1500000\n")

    with pytest.raises(ClockNotApplied, match="runs at 1500000 kHz"):
        frequency_of(tmp_path, pi4).hold(800_000)


@pytest.mark.parametrize("text", ["599999\n", "<unknown>\n"])
def test_a_clock_reported_a_little_off_or_unknown_to_the_hardware_is_good(tmp_path, pi4, text):
    (pi4.folder / "cpuinfo_cur_freq").write_text(text)

    assert frequency_of(tmp_path, pi4).hold(600_000) == 600_000


def test_a_governor_that_takes_up_limits_a_moment_later_is_waited_for(tmp_path, pi4):
    clock = VirtualClock()

    def sleep(seconds):
        clock.sleep(seconds)
        if clock() > 0.05:
            pi4.stuck_khz = None
            pi4.write(pi4.folder / "scaling_setspeed", "800000")

    pi4.stuck_khz = 1_500_000
    frequency = CpuFrequency(tmp_path, write=pi4.write, clock=clock, sleep=sleep)

    assert frequency.hold(800_000) == 800_000


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EACCES, "run as root"), (errno.EPERM, "run as root"), (errno.EROFS, "read-only")]
)
def test_missing_rights_are_told_in_one_line_with_what_to_do(tmp_path, pi4, number, advice):
    pi4.locked = number

    with pytest.raises(NotAllowed, match=advice) as refusal:
        frequency_of(tmp_path, pi4).hold(800_000)

    assert "\n" not in str(refusal.value)
    assert "scaling_governor" in str(refusal.value)


def test_a_file_of_nonsense_is_named(tmp_path, pi4):
    frequency = frequency_of(tmp_path, pi4)
    (pi4.folder / "scaling_min_freq").write_text("fast\n")

    with pytest.raises(ClockNotApplied, match="scaling_min_freq says 'fast'"):
        frequency.hold(800_000)


def test_files_are_written_whole_by_the_real_write(tmp_path):
    """With a driver without a table every step shows in plain files."""
    FakeCpufreq(tmp_path, PI4, table=False)
    frequency = CpuFrequency(tmp_path)

    frequency.hold(600_000)
    frequency.hold(1_800_000)

    folder = tmp_path / "devices/system/cpu/cpufreq/policy0"
    assert (folder / "scaling_min_freq").read_text().strip() == "1800000"
