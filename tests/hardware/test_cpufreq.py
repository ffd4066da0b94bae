import errno
import os
from pathlib import Path

import pytest

from hardware.board import ClockNotApplied
from hardware.clock import VirtualClock
from hardware.cpufreq import CpuFrequency
from hardware.fakes.cpufreq import FakeCpufreq, FakeCpufreqPolicies
from hardware.fakes.lies import one_step_lower
from protocol.errors import NotAllowed, NotFound

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


def big_little(tmp_path) -> tuple[FakeCpufreq, FakeCpufreq]:
    little = FakeCpufreq(tmp_path, (400_000, 800_000, 1_000_000), number=0)
    return little, FakeCpufreq(tmp_path, (800_000, 1_200_000, 2_000_000), number=4)


def test_the_policy_that_goes_highest_leads(tmp_path):
    assert frequency_of(tmp_path, *big_little(tmp_path)).ladder_khz() == (800_000, 1_200_000, 2_000_000)


@pytest.mark.parametrize(("khz", "little_khz"), [(800_000, 800_000), (1_200_000, 1_000_000), (2_000_000, 1_000_000)])
def test_a_policy_that_lacks_a_clock_runs_at_its_nearest_below(tmp_path, khz, little_khz):
    little, big = big_little(tmp_path)

    assert frequency_of(tmp_path, little, big).hold(khz) == khz
    assert (little.running_khz, big.running_khz) == (little_khz, khz)


def test_a_policy_whose_clocks_are_all_above_runs_at_its_lowest(tmp_path):
    small = FakeCpufreq(tmp_path, (900_000, 1_000_000), number=0)
    wide = FakeCpufreq(tmp_path, (600_000, 2_000_000), number=4)

    frequency_of(tmp_path, small, wide).hold(600_000)

    assert (small.running_khz, wide.running_khz) == (900_000, 600_000)


def test_a_policy_that_lies_is_found_out_behind_one_that_does_not(tmp_path):
    little, big = big_little(tmp_path)
    little.lie = one_step_lower

    with pytest.raises(ClockNotApplied, match="policy0 was set to 1000000 kHz but runs at 800000 kHz"):
        frequency_of(tmp_path, little, big).hold(2_000_000)


def test_a_policy_whose_cpus_were_taken_offline_is_left_out(tmp_path):
    little, big = big_little(tmp_path)
    frequency = frequency_of(tmp_path, little, big)
    little.unplug()

    assert frequency.hold(1_200_000) == 1_200_000
    assert frequency.ladder_khz() == (800_000, 1_200_000, 2_000_000)


def test_a_policy_that_comes_back_is_set_with_the_next_clock_and_put_back_at_the_end(tmp_path):
    little, big = big_little(tmp_path)
    found = little.settings()
    frequency = frequency_of(tmp_path, little, big)
    little.unplug()
    frequency.hold(1_200_000)

    little.plug_in()
    frequency.hold(2_000_000)

    assert little.running_khz == 1_000_000
    frequency.restore()
    assert little.settings() == found


def test_a_policy_that_is_offline_at_the_end_is_put_back_once_it_is_there(tmp_path):
    little, big = big_little(tmp_path)
    found = [little.settings(), big.settings()]
    frequency = frequency_of(tmp_path, little, big)
    frequency.hold(2_000_000)

    little.unplug()
    frequency.restore()
    little.plug_in()
    frequency.restore()

    assert [little.settings(), big.settings()] == found


def test_a_clock_that_only_an_offline_policy_has_is_not_applied(tmp_path):
    little, big = big_little(tmp_path)
    frequency = frequency_of(tmp_path, little, big)
    big.unplug()

    with pytest.raises(ClockNotApplied, match="no CPU that is online has the clock 2000000 kHz"):
        frequency.hold(2_000_000)


def test_a_policy_that_answers_that_it_is_busy_counts_as_offline(tmp_path, monkeypatch):
    little, big = big_little(tmp_path)
    real = Path.read_text

    def read_text(path, *arguments, **named):
        if path.parent == little.folder:
            raise OSError(errno.EBUSY, "Device or resource busy", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_text)

    assert frequency_of(tmp_path, little, big).hold(1_200_000) == 1_200_000


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


def test_a_governor_that_the_kernel_lacks_is_asked_for_once(tmp_path):
    fake = FakeCpufreq(tmp_path, PI4, userspace=False)
    asked = []
    real = fake.write

    def write(path, text):
        asked.append(text)
        real(path, text)

    fake.write = write
    frequency = frequency_of(tmp_path, fake)
    for khz in PI4:
        frequency.hold(khz)

    assert asked.count("userspace") == 1


@pytest.mark.parametrize("text", ["600000 fast\n", "600000 -1\n", "600000 1e6\n"])
def test_a_table_of_nonsense_is_named(tmp_path, pi4, text):
    (pi4.folder / "scaling_available_frequencies").write_text(text)

    with pytest.raises(ClockNotApplied, match="scaling_available_frequencies says"):
        frequency_of(tmp_path, pi4).ladder_khz()


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
    ("number", "advice"),
    [
        (errno.EACCES, "70-dynasplit.rules"),
        (errno.EPERM, "run as root"),
        (errno.EROFS, r"read-only.*ProtectKernelTunables=no"),
    ],
)
def test_missing_rights_are_told_in_one_line_with_what_to_do(tmp_path, pi4, number, advice):
    pi4.locked = number

    with pytest.raises(NotAllowed, match=advice) as refusal:
        frequency_of(tmp_path, pi4).hold(800_000)

    assert "\n" not in str(refusal.value)
    assert "scaling_governor" in str(refusal.value)


def test_missing_rights_are_told_before_anything_is_changed(tmp_path, pi4, monkeypatch):
    real = os.open

    def refused(path, flags, *arguments, **named):
        if Path(path).name == "scaling_governor" and flags & os.O_WRONLY:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", refused)

    with pytest.raises(NotAllowed, match="scaling_governor: Permission denied"):
        frequency_of(tmp_path, pi4).check_rights()


def test_asking_for_rights_changes_nothing(tmp_path, pi4):
    found = pi4.settings()

    frequency_of(tmp_path, pi4).check_rights()

    assert {name: (pi4.folder / name).read_text().strip() for name in found} == found


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
