"""The doctor comes to an end with findings, whatever lies in the files that it reads."""

from __future__ import annotations

import threading

import pytest

from hardware.cpufreq import CPUFREQ
from hardware.fakes.kernel_trees import make_pi4
from tools import doctor
from tools.doctoring.findings import Severity, well
from tools.doctoring.guarding import guarded

GARBAGE = {
    "empty": b"",
    "no text": b"\xff\xfe\x00\x9f",
    "a word": b"banana\n",
    "negative": b"-1\n",
    "endless": b"9" * 5000,
    "escapes": b"\x1b[2J[/red]\r\n\x07",
    "other digits": "٣٤".encode(),
}

POLICY, ZONE, USB = f"{CPUFREQ}/policy0", "class/thermal/thermal_zone0", "bus/usb/devices/2-1"
TOGETHER = (
    (f"{POLICY}/scaling_available_frequencies", f"{ZONE}/temp", f"{USB}/idVendor", "class/hwmon/hwmon1/name"),
    (f"{POLICY}/scaling_governor", f"{ZONE}/type", f"{USB}/idProduct"),
    (f"{POLICY}/scaling_cur_freq", "devices/platform/soc/soc:firmware/get_throttled", f"{USB}/busnum"),
    (f"{POLICY}/scaling_available_governors", "firmware/devicetree/base/compatible"),
)
"""Files of checks that know nothing of each other: no garbage hides another's."""


@pytest.mark.system
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_in_any_file_of_the_kernel_is_no_traceback(tmp_path, garbage, capfd):
    tree = make_pi4(tmp_path)
    tree.plug_usb("1a6e", "089a")
    for names in TOGETHER:
        kept = {path: path.read_bytes() for path in (tmp_path / name for name in names)}
        for path in kept:
            path.write_bytes(garbage)

        findings = [*doctor.examined(None, sysfs=tmp_path)]
        doctor._print(findings)

        for path, content in kept.items():
            path.write_bytes(content)
        assert findings
        assert all(finding.seen.isprintable() for finding in findings)
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "\x1b[2J" not in said


def test_settings_that_cannot_be_used_are_a_finding_and_the_machine_is_looked_at_all_the_same(tmp_path):
    config = tmp_path / "edge.toml"
    config.write_text("device = [")
    make_pi4(tmp_path / "sys")

    findings = [*doctor.examined(config, sysfs=tmp_path / "sys")]

    (refused,) = [finding for finding in findings if finding.subject == "settings"]
    assert refused.severity is Severity.ERROR
    assert any(finding.subject == "clock" for finding in findings)


def test_a_check_that_hangs_is_left_behind():
    never = threading.Event()

    def hanging():
        yield well("disk", "so far")
        never.wait()

    findings = list(guarded("disk", hanging, deadline_s=0.2))
    never.set()

    assert [finding.severity for finding in findings] == [Severity.WELL, Severity.ERROR]


def test_a_check_that_fails_is_an_error_in_one_line():
    def failing():
        yield well("disk", "so far")
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    *_, found = guarded("disk", failing)

    assert found.severity is Severity.ERROR
    assert "UnicodeDecodeError" in found.seen
