"""The doctor looks for the Edge TPU, and tries its libraries."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.accelerator.edge_tpu import NOTE
from hardware.fakes.kernel_trees import make_pi4
from tools.doctoring.device import Device
from tools.doctoring.edge_tpu import check_edge_tpu
from tools.doctoring.findings import Severity
from tools.doctoring.trials import Trial, try_library

SOURCE = Path(__file__).parents[2] / "fakes" / "delegate.c"
WORKS = Trial("RuntimeVersion(14)", "")


@pytest.fixture
def tree(tmp_path):
    return make_pi4(tmp_path / "sys")


@pytest.fixture
def look(make_settings, tmp_path):
    """Finds what there is, with a trial that says so and notes whether the TPU was to be opened."""

    def looking(trial=WORKS, *, agent_runs: bool = False):
        looking.opened = []

        def tried(_library, *, opens: bool, device: str) -> Trial:
            looking.opened.append(opens)
            return trial

        device = replace(Device.of(make_settings()), dev=tmp_path / "dev")
        return list(check_edge_tpu(device, agent_runs=agent_runs, trial=tried))

    return looking


@pytest.fixture
def plugged(tree, tmp_path):
    tree.plug_usb("1a6e", "089a")
    node = tmp_path / "dev/bus/usb/002/003"
    node.parent.mkdir(parents=True)
    node.touch()
    return node


@pytest.fixture
def library(tmp_path):
    (tmp_path / "std").mkdir()
    path = tmp_path / "std/libedgetpu.so.1"
    path.touch()
    return path


def severities(findings):
    return [finding.severity for finding in findings]


def test_none_at_all_is_well(tree, look):
    (found,) = look()

    assert found.severity is Severity.WELL


def test_one_that_works_is_told_with_its_ids_node_and_runtime(plugged, library, look):
    findings = look()

    assert severities(findings) == [Severity.WELL, Severity.WELL]
    assert "1a6e:089a (before its firmware)" in findings[0].seen
    assert str(plugged) in findings[0].seen
    assert "RuntimeVersion(14)" in findings[1].seen


def test_plugged_in_without_a_library_is_a_warning_that_names_the_setting(plugged, look):
    *_, found = look()

    assert found.severity is Severity.WARNING
    assert "edgetpu_std_library" in found.advice


def test_set_up_but_not_plugged_in_is_a_warning(tree, library, look):
    found, _ = look()

    assert found.severity is Severity.WARNING
    assert "18d1:9302" in found.seen
    assert look.opened == [False]


def test_a_port_without_power_is_well_while_the_agent_runs_and_else_to_be_restored(tree, library, look, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / NOTE).write_text("2 1\n")

    assert look(agent_runs=True)[0].severity is Severity.WELL
    left = look()[0]
    assert left.severity is Severity.WARNING
    assert "--restore" in left.advice


def test_a_tpu_that_the_agent_uses_is_not_opened(plugged, library, look):
    look(agent_runs=True)

    assert look.opened == [False]


def test_a_library_that_fails_is_an_error_that_names_its_setting(plugged, library, look):
    *_, found = look(Trial("", "it crashes"))

    assert found.severity is Severity.ERROR
    assert "edgetpu_std_library" in found.advice


def test_a_node_that_is_not_there_is_a_warning(plugged, library, look):
    plugged.unlink()

    assert look()[0].severity is Severity.WARNING


def build(path, code):
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    source = path.with_suffix(".c")
    source.write_text(code)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    return path


@pytest.mark.compiler
def test_a_library_that_works_opens_with_this_litert_and_tells_its_version(tmp_path):
    version = 'const char *edgetpu_version(void) { return "RuntimeVersion(14)"; }\n'
    path = build(tmp_path / "libedgetpu.so", SOURCE.read_text() + version)

    assert try_library(path, opens=True) == Trial("RuntimeVersion(14)", "")


@pytest.mark.exhaustive
@pytest.mark.compiler
@pytest.mark.parametrize(
    ("body", "obstacle"),
    [
        ('report("no device"); return 0;', "finds no Edge TPU"),
        ("__builtin_trap(); return 0;", "crashes with this LiteRT"),
        ("_exit(3); return 0;", "ends the process"),
    ],
    ids=["finds none", "crashes", "exits"],
)
def test_a_library_that_does_not_work_is_told_by_how_it_fails(tmp_path, body, obstacle):
    code = (
        "#include <stddef.h>\n#include <unistd.h>\n"
        "void *tflite_plugin_create_delegate(char **k, char **v, size_t n, void (*report)(const char *)) {"
        + body
        + "}\n"
        "void tflite_plugin_destroy_delegate(void *d) {}\n"
    )
    path = build(tmp_path / "libedgetpu.so", code)

    assert obstacle in try_library(path, opens=True).obstacle


@pytest.mark.exhaustive
@pytest.mark.compiler
def test_a_library_that_hangs_is_given_up(tmp_path):
    code = "#include <unistd.h>\n__attribute__((constructor)) static void hang(void) { for (;;) pause(); }\n"

    tried = try_library(build(tmp_path / "libedgetpu.so", code), opens=False, deadline_s=3.0)

    assert "hangs" in tried.obstacle


@pytest.mark.exhaustive
def test_a_file_that_is_no_library_is_told(tmp_path):
    path = tmp_path / "libedgetpu.so"
    path.write_bytes(b"\x7fELF nonsense")

    assert "cannot be loaded" in try_library(path, opens=False).obstacle
