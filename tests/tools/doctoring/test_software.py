"""The doctor looks at what this Python and this processor can run."""

from __future__ import annotations

import platform

from tools.doctoring.findings import Severity
from tools.doctoring.software import check_software


def test_here_all_packages_of_the_agent_are_found():
    found = {finding.subject: finding for finding in check_software()}

    assert found["Python"].severity is Severity.WELL
    assert platform.python_version() in found["Python"].seen
    assert "LiteRT" in found["packages"].seen


def test_a_processor_without_lse_atomics_gets_the_slower_runner_with_a_warning(tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("Features\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    found = {finding.subject: finding for finding in check_software(cpuinfo=cpuinfo)}

    assert found["runner"].severity is Severity.WARNING
    assert "LSE" in found["runner"].seen
    assert "libLiteRtWebGpuAccelerator" in found["runner"].advice


def test_a_package_that_cannot_be_loaded_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "flatbuffers", None)

    found = {finding.subject: finding for finding in check_software()}

    assert found["packages"].severity is Severity.ERROR
    assert "flatbuffers" in found["packages"].seen
    assert "pip install" in found["packages"].advice
    assert "runner" not in found
