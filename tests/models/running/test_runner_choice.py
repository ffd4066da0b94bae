"""Which runner a computer gets: told from files, never by trying."""

from __future__ import annotations

import logging

import pytest

from models.running.processor import has_needed_atomics
from models.running.runner_choice import open_runner
from models.zoo import load_digits_vgg
from protocol.errors import InvalidInput

PI_4 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd08
"""
PI_5 = PI_4.replace("crc32", "aes pmull sha1 sha2 crc32 atomics fphp asimdhp").replace("0xd08", "0xd0b")
XEON = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu sse4_2 avx2\n"


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "expected"),
    [
        (PI_4, "aarch64", False),
        (PI_5, "aarch64", True),
        (PI_5 + PI_4, "aarch64", False),
        (XEON, "x86_64", True),
        ("", "x86_64", True),
        ("", "aarch64", False),
        (XEON, "aarch64", False),
    ],
)
def test_atomics_are_read_from_cpuinfo(cpuinfo, machine, expected):
    assert has_needed_atomics(cpuinfo, machine) is expected


@pytest.mark.parametrize(("cpuinfo", "kind"), [(PI_4, "interpreter"), (XEON, "compiled")])
def test_the_runner_follows_the_processor(digits_bundles, weight_cache_folder, tmp_path, cpuinfo, kind, monkeypatch):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    runner = open_runner(digits_bundles["fp32"], cache_dir=weight_cache_folder, cpuinfo=tmp_path / "cpuinfo")

    assert runner.runtime.endswith(kind)


def test_without_a_writable_cache_the_interpreter_is_used(digits_bundles, tmp_path):
    (tmp_path / "file").write_text("")

    assert open_runner(digits_bundles["fp32"]).runtime.endswith("interpreter")
    assert open_runner(digits_bundles["fp32"], cache_dir=tmp_path / "file").runtime.endswith("interpreter")


def test_the_choice_is_logged_once_with_its_reason(digits_bundles, tmp_path, caplog):
    (tmp_path / "cpuinfo").write_text(PI_4)
    caplog.set_level(logging.INFO)

    runner = open_runner(digits_bundles["fp32"], cache_dir=tmp_path, cpuinfo=tmp_path / "cpuinfo")
    runner.head(3, [load_digits_vgg().input(0)])

    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "interpreter" in messages[0]
    assert "LSE atomics" in messages[0]


def test_no_threads_are_refused(digits_bundles):
    with pytest.raises(InvalidInput, match="threads must be 1 or more"):
        open_runner(digits_bundles["fp32"], threads=0)


def test_no_memory_is_refused(digits_bundles):
    with pytest.raises(InvalidInput, match="memory_bytes must be 1 or more"):
        open_runner(digits_bundles["fp32"], memory_bytes=0)
