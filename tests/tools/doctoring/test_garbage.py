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

FILES = (
    f"{CPUFREQ}/policy0/scaling_available_frequencies",
    f"{CPUFREQ}/policy0/scaling_governor",
    f"{CPUFREQ}/policy0/scaling_cur_freq",
    f"{CPUFREQ}/policy0/scaling_available_governors",
    "class/thermal/thermal_zone0/temp",
    "class/thermal/thermal_zone0/type",
    "class/hwmon/hwmon1/name",
    "firmware/devicetree/base/compatible",
    "bus/usb/devices/2-1/idVendor",
    "bus/usb/devices/2-1/idProduct",
    "bus/usb/devices/2-1/busnum",
    "devices/platform/soc/soc:firmware/get_throttled",
)


@pytest.mark.system
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_in_any_file_of_the_kernel_is_no_traceback(tmp_path, garbage, capfd):
    tree = make_pi4(tmp_path)
    tree.plug_usb("1a6e", "089a")
    for name in FILES:
        path = tmp_path / name
        kept = path.read_bytes()
        path.write_bytes(garbage)

        findings = [*doctor.examined(None, sysfs=tmp_path)]
        doctor._print(findings)

        path.write_bytes(kept)
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
