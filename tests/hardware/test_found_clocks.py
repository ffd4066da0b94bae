"""What was found outlives the process that changed it."""

import logging
from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.cpufreq import CpuFrequency
from hardware.cpufreq_policy import PolicySettings
from hardware.fakes.cpufreq import FakeCpufreq
from hardware.found_clocks import FoundClocksFile
from protocol.errors import InvalidInput, NotAllowed

LADDER = (600_000, 1_000_000, 1_800_000)
FOUND = {
    "policy0": PolicySettings("schedutil", 600_000, 1_800_000, None),
    "policy4": PolicySettings("userspace", 600_000, 2_000_000, 800_000),
}
DAMAGED = [
    "",
    "{",
    "[]",
    "nonsense",
    '{"schema": 1}',
    '{"schema": 1, "policies": {"policy0": 7}}',
    '{"schema": 1, "policies": {"policy0": {"governor": 1, "min_khz": 1, "max_khz": 1}}}',
    '{"schema": 1, "policies": {"policy0": {"governor": "ondemand", "min_khz": "x", "max_khz": 1}}}',
    '{"schema": 1, "policies": {"policy0": {"governor": "ondemand", "min_khz": 1}}}',
    '{"schema": 9, "policies": {}}',
    '{"schema": 1, "policies": {"policy0": {"governor": "userspace", "min_khz": 1, "max_khz": 1, "held_khz": "fast"}}}',
]


@pytest.fixture
def note(tmp_path) -> Path:
    return tmp_path / "run" / "cpufreq.json"


@pytest.fixture
def cpus(tmp_path) -> FakeCpufreq:
    return FakeCpufreq(tmp_path / "sys", LADDER, governor="schedutil")


@pytest.fixture
def start(tmp_path, cpus, note):
    """An agent's clocks, as if its process had just begun."""

    def start() -> CpuFrequency:
        clock = VirtualClock()
        return CpuFrequency(
            tmp_path / "sys", found=FoundClocksFile(note), write=cpus.write, clock=clock, sleep=clock.sleep
        )

    return start


def test_what_is_written_is_read_again(note):
    FoundClocksFile(note).write(FOUND)

    assert FoundClocksFile(note).read() == FOUND


def test_nothing_noted_is_nothing_found(note):
    FoundClocksFile(note).write({})

    assert FoundClocksFile(note).read() == {}
    assert not note.exists()


def test_a_note_of_nothing_removes_the_file(note):
    FoundClocksFile(note).write(FOUND)
    FoundClocksFile(note).write({})

    assert list(note.parent.iterdir()) == []


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_note_is_refused_in_one_line_that_names_it(note, text):
    note.parent.mkdir()
    note.write_text(text)

    with pytest.raises(InvalidInput, match=r"cpufreq\.json") as refusal:
        FoundClocksFile(note).read()

    assert "\n" not in str(refusal.value)


def test_a_note_that_cannot_be_kept_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "run").write_text("a file stands where the folder should be")

    with pytest.raises(NotAllowed, match=r"RuntimeDirectory=dynasplit.*run_dir"):
        FoundClocksFile(tmp_path / "run/cpufreq.json").write(FOUND)


def test_what_was_found_is_noted_before_the_first_change(start, cpus, note):
    noted = []
    real = cpus.write

    def write(path, text):
        noted.append(note.exists())
        real(path, text)

    cpus.write = write
    start().hold(600_000)

    assert noted
    assert all(noted)


def test_nothing_is_changed_when_nothing_can_be_noted(start, cpus, note):
    note.parent.write_text("a file stands where the folder should be")
    found = cpus.settings()

    with pytest.raises(NotAllowed):
        start().hold(600_000)

    assert cpus.settings() == found


def test_a_clean_end_leaves_no_note(start, note):
    frequency = start()
    frequency.hold(600_000)
    frequency.restore()

    assert not note.exists()


def test_the_next_start_puts_back_what_a_killed_agent_had_found(start, cpus):
    found = cpus.settings()
    start().hold(600_000)

    after = start()
    after.hold(1_800_000)
    after.restore()

    assert cpus.settings() == found


def test_a_killed_agents_clock_is_put_back_without_another_change(start, cpus, note):
    found = cpus.settings()
    start().hold(600_000)

    start().restore()

    assert cpus.settings() == found
    assert not note.exists()


def test_a_policy_that_cannot_be_put_back_stays_noted(start, cpus, note):
    found = cpus.settings()
    start().hold(600_000)
    cpus.locked = 13

    with pytest.raises(NotAllowed):
        start().restore()

    assert note.exists()
    cpus.locked = None
    start().restore()
    assert (cpus.settings(), note.exists()) == (found, False)


def test_a_damaged_note_does_not_keep_an_agent_from_starting(start, cpus, note, caplog):
    note.parent.mkdir()
    note.write_text('{"schema": 1, "pol')

    with caplog.at_level(logging.WARNING):
        start().hold(600_000)

    assert cpus.running_khz == 600_000
    assert "cpufreq.json" in caplog.text
    assert list(FoundClocksFile(note).read()) == ["policy0"]


def test_an_agent_killed_at_any_write_leaves_what_it_found_to_the_next(start, cpus, note, monkeypatch):
    """Every file that is written or renamed is a moment to be killed at."""
    found = cpus.settings()

    class Killed(BaseException):
        pass

    def killed_after(steps: int) -> bool:
        left = [steps]

        def step() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        def write(path, text):
            step()
            FakeCpufreq.write(cpus, path, text)

        def replace(path, target):
            step()
            path.rename(target)

        with monkeypatch.context() as patch:
            patch.setattr(cpus, "write", write, raising=False)
            frequency = start()
            patch.setattr("hardware.found_clocks.Path.replace", replace)
            patch.setattr(cpus, "_show", lambda path, text: path.write_text(text), raising=False)
            try:
                frequency.hold(600_000)
                frequency.hold(1_800_000)
                frequency.restore()
            except Killed:
                return True
        return False

    steps = 0
    while killed_after(steps):
        start().restore()
        assert cpus.settings() == found, f"killed at step {steps}"
        steps += 1

    assert steps > 5
    assert cpus.settings() == found
