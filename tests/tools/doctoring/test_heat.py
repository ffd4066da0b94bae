"""The doctor looks at heat and supply."""

from __future__ import annotations

import pytest

from hardware.fakes.kernel_trees import make_pi4
from tools.doctoring.device import Device
from tools.doctoring.findings import Severity
from tools.doctoring.heat import check_heat


@pytest.mark.parametrize(
    ("word", "severity", "seen"),
    [
        (0x00000, Severity.WELL, "nothing tells"),
        (0x00001, Severity.ERROR, "under-voltage now"),
        (0x10000, Severity.WARNING, "under-voltage since"),
        (0x00004, Severity.WARNING, "slows the machine down now: throttled"),
        (0x80000, Severity.WARNING, "slowed the machine down since it was started: soft temperature limit"),
        (0x50005, Severity.ERROR, "under-voltage now"),
    ],
)
def test_what_the_firmware_says_is_told_by_how_grave_it_is(tmp_path, word, severity, seen):
    make_pi4(tmp_path).throttle(word)

    findings = list(check_heat(Device.of(None, sys=tmp_path)))

    assert max(finding.severity for finding in findings) is severity
    assert any(seen in finding.seen for finding in findings)


def test_a_firmware_that_does_not_answer_is_a_warning(tmp_path):
    (make_pi4(tmp_path).firmware / "get_throttled").write_text("no word")

    *_, supply = check_heat(Device.of(None, sys=tmp_path))

    assert supply.severity is Severity.WARNING
    assert "does not say" in supply.seen


@pytest.mark.parametrize(("celsius", "severity"), [(45.3, Severity.WELL), (81.0, Severity.WARNING)])
def test_a_hot_processor_is_a_warning(tmp_path, celsius, severity):
    make_pi4(tmp_path).heat(celsius)

    heat, *_ = check_heat(Device.of(None, sys=tmp_path))

    assert heat.severity is severity
    assert f"{celsius:.0f} °C" in heat.seen
