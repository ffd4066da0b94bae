"""The interpreter's heads and tails: extracted into files, open within a budget of memory, dropped by last use."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.running import interpreter_runner
from models.running.extracted import ExtractedFiles
from models.running.interpreter_runner import InterpreterEngine, activation_bytes
from models.running.runner import RunnerFailed, SignatureRunner
from models.zoo import load_digits_vgg


@pytest.fixture
def bundle(digits_bundles) -> Bundle:
    return digits_bundles["int8"]


@pytest.fixture
def image():
    return load_digits_vgg("int8").input(0)


def runner_of(bundle: Bundle, **options) -> SignatureRunner:
    return SignatureRunner(bundle.manifest, InterpreterEngine(bundle, **options))


def opened(caplog) -> list[str]:
    messages = [record.getMessage() for record in caplog.records]
    return [message.split(": ")[1].split()[0] for message in messages if " opened" in message]


def needed(bundle: Bundle, *signatures: str) -> int:
    """What these together are estimated to hold."""
    sizes = []
    for signature in signatures:
        with ExtractedFiles(bundle, None).file(signature) as path:
            sizes.append(round(interpreter_runner._PACKED * path.stat().st_size) + activation_bytes(bundle.manifest))
    return sum(sizes)


def test_the_least_recently_used_is_dropped_when_memory_runs_out(bundle, image, caplog):
    runner = runner_of(bundle, memory_bytes=needed(bundle, "head_4", "head_5"))
    caplog.set_level(logging.DEBUG)

    for cut in (3, 4, 3, 5, 3, 4):
        runner.head(cut, [image])

    assert opened(caplog) == ["head_3", "head_4", "head_5", "head_4"]


def test_one_that_is_dropped_gives_the_same_answer_again(bundle, image):
    runner = runner_of(bundle, memory_bytes=1)
    first = runner.head(3, [image]).boundary[0]

    runner.head(5, [image])

    assert np.array_equal(runner.head(3, [image]).boundary[0], first)


def test_the_budget_follows_what_is_left(bundle, image, monkeypatch, caplog):
    monkeypatch.setattr(interpreter_runner, "available_bytes", lambda: 0)
    runner = runner_of(bundle)
    caplog.set_level(logging.DEBUG)

    for cut in (3, 4, 3):
        runner.head(cut, [image])

    assert opened(caplog) == ["head_3", "head_4", "head_3"]


def test_extracted_files_serve_the_next_start(bundle, image, tmp_path, monkeypatch):
    expected = runner_of(bundle, folder=tmp_path).head(3, [image]).boundary[0]
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr("models.running.extracted.extract_file", None)

    found = runner_of(bundle, folder=tmp_path).head(3, [image]).boundary[0]

    assert np.array_equal(found, expected)
    assert path.suffix == ".tflite"


def test_an_extracted_file_that_was_damaged_is_made_again(bundle, image, tmp_path):
    expected = runner_of(bundle, folder=tmp_path).head(3, [image]).boundary[0]
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100])

    found = runner_of(bundle, folder=tmp_path).head(3, [image]).boundary[0]

    assert np.array_equal(found, expected)


def test_where_nothing_can_be_kept_it_extracts_into_a_temporary_file(bundle, image, tmp_path):
    (tmp_path / "file").write_text("")

    found = runner_of(bundle, folder=tmp_path / "file" / "cache").head(3, [image]).boundary[0]

    assert np.array_equal(found, runner_of(bundle).head(3, [image]).boundary[0])


def test_a_bundle_that_vanished_is_told(digits_bundles, image, tmp_path):
    folder = tmp_path / "bundle"
    bundle = make_bundle(load_digits_vgg("int8").path, folder, name="digits", cuts=(3,))
    runner = runner_of(bundle)
    (folder / "signatures.tflite").unlink()

    with pytest.raises(RunnerFailed, match=r"signatures\.tflite: signature head_3"):
        runner.head(3, [image])


@pytest.fixture
def without_litert(monkeypatch):
    monkeypatch.setattr(interpreter_runner, "find_spec", lambda _: None)


@pytest.mark.usefixtures("without_litert")
def test_without_the_schema_the_interpreter_opens_the_whole_bundle(bundle, image):
    found = runner_of(bundle).head(3, [image]).boundary[0]

    assert found.any()


@pytest.mark.usefixtures("without_litert")
def test_without_the_schema_a_bundle_that_would_fill_the_memory_is_refused(bundle, image):
    with pytest.raises(RunnerFailed, match=r"must open all 39 heads and tails at once, about \d+ MiB, of 1 MiB"):
        runner_of(bundle, memory_bytes=1 << 20).head(3, [image])


MEMINFO = "MemTotal: 4000 kB\nMemFree: 100 kB\nMemAvailable: 3000 kB\n"


def computer(folder: Path, *, cgroup: str = "0::/", **groups: tuple[str, int, int]) -> dict[str, Path]:
    """A `/proc` and control groups by name: limit, bytes used, bytes of files among them."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(MEMINFO)
    (proc / "self" / "cgroup").write_text(f"{cgroup}\n")
    for name, (limit, used, files) in groups.items():
        group = cgroups / name.replace("root", "").replace("_", "/")
        group.mkdir(parents=True, exist_ok=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 5\ninactive_file {files}\n")
    return {"proc": proc, "cgroups": cgroups}


def test_memory_is_what_the_kernel_calls_available(tmp_path):
    assert interpreter_runner.available_bytes(**computer(tmp_path)) == 3000 << 10


def test_a_control_group_leaves_less_and_its_cached_files_do_not_count(tmp_path):
    paths = computer(tmp_path, root=("1000000", 600_000, 100_000))

    assert interpreter_runner.available_bytes(**paths) == 500_000


def test_the_tightest_of_the_enclosing_groups_counts(tmp_path):
    paths = computer(tmp_path, cgroup="0::/a/b", a=("200000", 50_000, 0), a_b=("max", 50_000, 0))

    assert interpreter_runner.available_bytes(**paths) == 150_000


def test_where_nothing_is_told_nothing_is_known(tmp_path):
    assert interpreter_runner.available_bytes(proc=tmp_path, cgroups=tmp_path) is None
