"""The service, and the rights that it needs: as systemd itself reads them, and as far as they can be read without it."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import edge
from edge.settings import RUN_DIR, EdgeSettings
from hardware.fakes.kernel_trees import make_pi4
from protocol import settings

DEPLOY = Path(edge.__file__).parent / "deploy"
UNIT = DEPLOY / "dynasplit-edge.service"
RULES = DEPLOY / "70-dynasplit.rules"
TMPFILES = DEPLOY / "tmpfiles.conf"
SYSUSERS = DEPLOY / "sysusers.conf"
GUIDE = Path(edge.__file__).parents[1] / "docs" / "guide" / "device.md"

EXPOSURE = 25
"""The most that `systemd-analyze security` may find, of 100 (it prints a tenth of it): 'OK', and well below 'medium' at 50."""


def options(unit: str) -> dict[str, list[str]]:
    """What stands under [Service]; an option may stand several times."""
    section = unit.partition("[Service]")[2].partition("\n[")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def service() -> dict[str, list[str]]:
    return options(UNIT.read_text())


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which(str(command[0]))
    if program is None:
        pytest.skip("needs systemd's programs: apt-get install systemd")
    return subprocess.run([program, *map(str, command[1:])], capture_output=True, text=True, timeout=60, check=False)


def test_the_unit_restores_the_clock_with_the_settings_that_it_starts_with(service):
    start, after = service["ExecStart"][0], service["ExecStopPost"][0]

    assert after == start.replace(" --config", " --restore --config")


def test_the_agent_may_ask_whether_the_clock_is_kept_right(service):
    """adjtimex(2): without it every record would be marked as not synchronised. ProtectClock= forbids it."""
    allowed = " ".join(service["SystemCallFilter"]).split()

    assert {"adjtimex", "clock_adjtime"} <= set(allowed)
    assert service.get("ProtectClock", ["no"]) == ["no"]
    assert service["CapabilityBoundingSet"] == [""]


def test_the_folders_of_the_unit_are_those_of_the_settings(service):
    example = settings.load(EdgeSettings, toml=DEPLOY / "edge.toml", environment={})

    assert example.data_dir == Path("/var/lib") / service["StateDirectory"][0]
    assert example.run_dir == RUN_DIR == Path("/run") / service["RuntimeDirectory"][0]


def test_how_the_clocks_were_found_outlives_a_restart(service):
    assert service["RuntimeDirectoryPreserve"] == ["yes"]


def test_the_agent_may_write_to_sysfs_and_is_not_root(service):
    assert service["ProtectKernelTunables"] == ["no"]
    assert service["User"] == ["dynasplit"]
    assert service["NoNewPrivileges"] == ["yes"]


def test_the_guide_installs_the_files_where_the_unit_expects_them(service):
    guide = GUIDE.read_text()

    for path in DEPLOY.iterdir():
        assert path.name in guide
    assert service["ExecStart"][0].split()[0].removesuffix("/.venv/bin/dynasplit-edge") in guide
    assert "/etc/dynasplit/edge.toml" in guide


@pytest.mark.systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/dynasplit/.venv/bin/dynasplit-edge", sys.executable))

    verified = run("systemd-analyze", "verify", "--man=no", unit)

    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.systemd
def test_systemd_finds_the_unit_well_shut_in():
    judged = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", UNIT)

    assert judged.returncode == 0, judged.stdout.splitlines()[-1]


@pytest.mark.systemd
def test_the_user_and_its_groups_are_made(tmp_path):
    (tmp_path / "etc/sysusers.d").mkdir(parents=True)
    shutil.copy(SYSUSERS, tmp_path / "etc/sysusers.d/dynasplit.conf")

    made = run("systemd-sysusers", f"--root={tmp_path}", "dynasplit.conf")

    assert made.returncode == 0, made.stderr
    groups = dict(line.split(":x:") for line in (tmp_path / "etc/group").read_text().splitlines())
    assert "/var/lib/dynasplit" in (tmp_path / "etc/passwd").read_text()
    assert {name for name, rest in groups.items() if rest.endswith(":dynasplit")} == {"plugdev", "video", "i2c"}


@pytest.fixture
def machine(tmp_path) -> Path:
    """A file system with the clocks of a Pi 4, whose group `dynasplit` is one that this process may give files to."""
    group = 4242 if os.getuid() == 0 else os.getgid()
    (tmp_path / "etc/tmpfiles.d").mkdir(parents=True)
    shutil.copy(TMPFILES, tmp_path / "etc/tmpfiles.d/dynasplit.conf")
    (tmp_path / "etc/group").write_text(f"root:x:{os.getgid()}:\ndynasplit:x:{group}:\n")
    (tmp_path / "etc/passwd").write_text(
        f"root:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\ndynasplit:x:{os.getuid()}:{group}::/:/bin/sh\n"
    )
    counter = tmp_path / "sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj"
    counter.parent.mkdir(parents=True)
    counter.write_text("1\n")
    make_pi4(tmp_path / "sys")
    return tmp_path


def rights(path: Path) -> str:
    return stat.filemode(path.stat().st_mode)


@pytest.mark.systemd
def test_the_group_may_set_the_clock_read_it_back_and_read_the_energy_counters(machine):
    applied = run("systemd-tmpfiles", f"--root={machine}", "--create", "dynasplit.conf")

    assert (applied.returncode, applied.stderr) == (0, "")
    policy = machine / "sys/devices/system/cpu/cpufreq/policy0"
    for name in ("scaling_governor", "scaling_setspeed", "scaling_min_freq", "scaling_max_freq"):
        assert rights(policy / name) == "-rw-rw-r--"
    assert rights(policy / "cpuinfo_cur_freq") == "-r--r-----"
    assert rights(machine / "sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj") == "-r--r-----"
    if os.getuid() == 0:
        assert (policy / "scaling_governor").stat().st_gid == 4242


@pytest.mark.systemd
def test_rights_are_given_to_what_is_there_alone(machine):
    shutil.rmtree(machine / "sys")

    applied = run("systemd-tmpfiles", f"--root={machine}", "--create", "dynasplit.conf")

    assert (applied.returncode, applied.stderr) == (0, "")
    assert not (machine / "sys").exists()


RULE = re.compile(r'[A-Z]+(\{\w+\})?(==|\+=|=)"[^"]*"')
"""One match or assignment of a rule (udev(7))."""


def rules() -> list[str]:
    return [line for line in RULES.read_text().splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("rule", rules())
def test_a_udev_rule_is_a_list_of_matches_and_assignments(rule):
    assert re.fullmatch(rf"{RULE.pattern}(, {RULE.pattern})*", rule)


def test_an_edge_tpu_is_given_to_the_group_before_and_after_its_firmware():
    text = "\n".join(rules())

    for vendor, product in (("1a6e", "089a"), ("18d1", "9302")):
        assert f'ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}", GROUP="plugdev"' in text


def test_the_groups_of_the_rules_are_made():
    wanted = set(re.findall(r'GROUP="(\w+)"|chgrp -f (\w+)', RULES.read_text()))

    made = set(re.findall(r"^g (\w+)", SYSUSERS.read_text(), re.MULTILINE))
    assert {name for pair in wanted for name in pair if name} <= made


def test_the_rights_that_udev_applies_again_are_among_those_of_tmpfiles():
    prefixes = re.findall(r"--prefix=(\S+)", RULES.read_text())

    assert prefixes
    for prefix in prefixes:
        assert re.search(rf"^z\s+{re.escape(prefix)}/", TMPFILES.read_text(), re.MULTILINE)
