"""The cache of packed weights: shared by processes, never half-written, never trusted when damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.running.litert_runner import CompiledEngine, weight_cache
from models.running.runner import SignatureRunner
from models.running.weight_cache import WeightCache, cache_key
from models.zoo import load_digits_vgg

ANSWER = """
import sys
from pathlib import Path
from models.bundle import Bundle
from models.running.runner_choice import open_runner
from models.zoo import load_digits_vgg
runner = open_runner(Bundle.open(Path(sys.argv[1])), cache_dir=Path(sys.argv[2]))
head = runner.head(6, [load_digits_vgg().input(0)])
print(next(iter(runner.tail(6, head.boundary).values())).tobytes().hex())
"""


def answer(bundle, folder):
    cache = weight_cache(bundle, folder) if folder else None
    runner = SignatureRunner(bundle.manifest, CompiledEngine(bundle, cache=cache))
    head = runner.head(6, [load_digits_vgg().input(0)])
    result = next(iter(runner.tail(6, head.boundary).values()))
    runner.close()
    return result


@pytest.mark.exhaustive
def test_the_cache_is_one_file_and_is_used_again(digits_bundles, tmp_path):
    first = answer(digits_bundles["fp32"], tmp_path)
    (cache,) = tmp_path.iterdir()
    before = cache.stat()

    second = answer(digits_bundles["fp32"], tmp_path)

    assert np.array_equal(first, second)
    assert list(tmp_path.iterdir()) == [cache]
    assert (cache.stat().st_ino, cache.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.exhaustive
@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_a_damaged_cache_is_built_again(digits_bundles, tmp_path, damage):
    expected = answer(digits_bundles["fp32"], tmp_path)
    (sealed,) = tmp_path.iterdir()
    content = sealed.read_bytes()
    middle = len(content) // 2
    bad = {"truncated": content[:middle], "changed": content[:middle] + b"!" + content[middle + 1 :], "empty": b""}
    sealed.write_bytes(bad[damage])

    assert np.array_equal(answer(digits_bundles["fp32"], tmp_path), expected)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]


@pytest.mark.exhaustive
def test_processes_that_open_at_once_agree(digits_bundles, tmp_path):
    command = [sys.executable, "-c", ANSWER, str(digits_bundles["fp32"].folder), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}

    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0] for process in processes}

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(answers) == 1
    assert all(path.suffix == ".xnnpack" for path in tmp_path.iterdir())


@pytest.mark.exhaustive
def test_without_a_place_to_write_it_runs_without(digits_bundles, tmp_path, caplog):
    (tmp_path / "file").write_text("")

    result = answer(digits_bundles["fp32"], tmp_path / "file" / "cache")

    assert np.array_equal(result, answer(digits_bundles["fp32"], None))
    assert "without a weight cache" in caplog.text


def test_none_is_begun_without_ample_room(tmp_path):
    cache = WeightCache(tmp_path, "bundle", network_bytes=1 << 60)

    assert "MiB are needed" in cache.obstacle()
    assert cache.open(lambda path: path) == ""


def test_what_built_the_cache_is_dropped_and_opened_again_from_it(tmp_path):
    opened = []

    def opening(path: str) -> str:
        opened.append(path)
        Path(path).write_bytes(b"packed")
        return path

    used = WeightCache(tmp_path, "bundle", 100).open(opening)

    assert [Path(used)] == list(tmp_path.iterdir())
    assert [path == used for path in opened] == [False, True]


def test_a_cache_that_is_there_needs_no_room(tmp_path):
    WeightCache(tmp_path, "bundle", 100).open(lambda path: Path(path).write_bytes(b"packed"))
    cache = WeightCache(tmp_path, "bundle", network_bytes=1 << 60)

    assert cache.obstacle() == ""
    assert cache.open(lambda path: Path(path).read_bytes()) == b"packed"


def test_what_a_crashed_process_left_is_dropped(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f".other-{ended.pid}-abc.building").write_bytes(b"half")
    (tmp_path / f".other-{os.getpid()}-def.building").write_bytes(b"half, but still at it")

    WeightCache(tmp_path, "bundle", 100).open(lambda path: Path(path).write_bytes(b"packed"))

    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[0] == f".other-{os.getpid()}-def.building"
    assert len(left) == 2


def test_only_the_latest_caches_are_kept(tmp_path):
    for number in range(12):
        WeightCache(tmp_path, f"bundle{number}", 100).open(lambda path: Path(path).write_bytes(b"packed"))

    assert len(list(tmp_path.iterdir())) == 8


def test_nothing_is_left_of_a_build_that_fails(tmp_path):
    def fail(path: str) -> None:
        Path(path).write_bytes(b"half")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        WeightCache(tmp_path, "bundle", 100).open(fail)
    assert list(tmp_path.iterdir()) == []


def test_the_name_differs_by_bundle_runtime_and_processor():
    intel = "model name : Xeon\nflags : avx2\ncpu MHz : 2000\n"
    keys = {
        cache_key("a" * 64, "litert-2.3.0", intel),
        cache_key("b" * 64, "litert-2.3.0", intel),
        cache_key("a" * 64, "litert-2.4.0", intel),
        cache_key("a" * 64, "litert-2.3.0", intel.replace("avx2", "avx2 avx512f")),
    }

    assert len(keys) == 4
    assert cache_key("a" * 64, "litert-2.3.0", intel.replace("2000", "2100")) in keys
