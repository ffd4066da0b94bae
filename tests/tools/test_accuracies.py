"""What was evaluated reaches measurements and tables."""

from __future__ import annotations

import json

import pytest

from models.accuracy.evaluation import BundleJournal, Question
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from planner.profiling import plan
from planner.space import Space
from protocol.configuration import Codec
from protocol.link import Link
from protocol.measurement import Cost, Measurement
from tools import profile_device
from tools.cli import main

LAST = 20


@pytest.fixture
def bundle(tmp_path) -> Bundle:
    return make_bundle(digits_vgg("int8"), tmp_path / "bundle", name="digits", cuts=(9,))


def evaluated(bundle: Bundle, value: float, *, metric: str = "top1") -> None:
    values = {(cut, element): value for cut in bundle.manifest.cuts for element in ("raw", "int8")}
    BundleJournal(bundle, Question(360, "a" * 64, metric, "", "fake")).keep(values)


def measurements(bundle: Bundle, *, digest: str = "") -> list[Measurement]:
    space = Space(
        cuts=bundle.manifest.cuts, clocks_khz=(600_000, 1_200_000, 1_800_000), codecs=(Codec.RAW, Codec.INT8_ZSTD)
    )
    names = {"network": "digits", "bundle": digest or bundle.digest, "device": "pi", "run": ""}
    return [_measured(configuration, names) for configuration in plan(space)]


def _measured(configuration, names) -> Measurement:
    head_ms, sends = configuration.cut * 3e6 / configuration.cpu_khz, configuration.cut < LAST
    cost = Cost(
        head_ms, 2.0 * sends, 1.0 * sends, head_ms + 3.0 * sends, 100 * sends, 40 * sends, head_ms, 1.0, 1.0, 1.0
    )
    link = Link(rtt_ms=2.0, up_bytes_per_ms=500.0, down_bytes_per_ms=500.0)
    return Measurement(configuration, cost, runtime="fake", link=link, at=0.0, clock_synced=True, **names)


@pytest.fixture
def optimize(tmp_path, capsys):
    def run(found, *arguments):
        (tmp_path / "m.jsonl").write_text("".join(json.dumps(item.to_json()) + "\n" for item in found))
        output = tmp_path / "table.json"
        code = main(["optimize", "--measurements", str(tmp_path / "m.jsonl"), "-o", str(output), *arguments])
        rows = json.loads(output.read_text())["rows"] if output.exists() else []
        return code, {row["accuracy"] for row in rows}, capsys.readouterr().err

    return run


def test_a_table_knows_no_accuracy_unless_somebody_evaluated(optimize, bundle):
    assert optimize(measurements(bundle))[:2] == (0, {None})


@pytest.mark.parametrize("source", ["", "accuracy.json"])
def test_a_table_takes_up_what_was_evaluated(optimize, bundle, source):
    evaluated(bundle, 0.9)

    code, accuracies, told = optimize(measurements(bundle), "--accuracy", str(bundle.folder / source))

    assert (code, accuracies) == (0, {0.9}), told


def test_a_metric_is_chosen_among_several(optimize, bundle):
    evaluated(bundle, 0.9)
    evaluated(bundle, 0.5, metric="mine:judge")

    chosen = ("--accuracy", str(bundle.folder), "--metric", "mine:judge")
    assert optimize(measurements(bundle), *chosen)[1] == {0.5}
    assert optimize(measurements(bundle), *chosen[:2])[1] == {0.9}


def test_accuracies_of_another_bundle_or_none_are_refused_in_one_line(optimize, bundle, tmp_path):
    evaluated(bundle, 0.9)

    code, _, told = optimize(measurements(bundle, digest="c" * 64), "--accuracy", str(bundle.folder))
    assert (code, told.count("\n")) == (2, 1)
    assert "the measurements of cccccccccccc" in told
    code, _, told = optimize(measurements(bundle), "--accuracy", str(tmp_path / "gone"))
    assert (code, told.count("\n")) == (2, 1)
    assert "gone does not exist: run dynasplit evaluate" in told
    code, _, told = optimize(measurements(bundle), "--accuracy", str(bundle.folder), "--metric", "top5")
    assert (code, told.count("\n")) == (2, 1)
    assert "not evaluated by metric top5, but by top1" in told


@pytest.fixture
def profile(bundle, tmp_path, monkeypatch):
    """Runs the verb without any service; the accuracies in the file that it writes."""
    found = measurements(bundle)
    monkeypatch.setattr(profile_device, "prepare", lambda *_: None)
    monkeypatch.setattr(profile_device, "space_of", lambda *_: None)
    monkeypatch.setattr(profile_device, "plan", lambda _: [item.configuration for item in found])
    monkeypatch.setattr(profile_device, "measure", lambda *_, **__: found)

    def run(*arguments):
        services = ["--backend", "http://127.0.0.1:1", "--agent", "http://127.0.0.1:1"]
        output = tmp_path / "profile.jsonl"
        code = main(["profile", str(bundle.folder), *services, "-o", str(output), *arguments])
        lines = output.read_text().splitlines() if output.exists() else []
        return code, {json.loads(line)["accuracy"] for line in lines}

    return run


def test_a_profile_is_written_with_the_accuracy_that_is_known(profile, bundle):
    assert profile() == (0, {None})
    evaluated(bundle, 0.5, metric="mine:judge")
    assert profile() == (0, {None})
    assert profile("--metric", "mine:judge") == (0, {0.5})
    evaluated(bundle, 0.9)
    assert profile() == (0, {0.9})


def test_a_profile_by_a_metric_that_nobody_evaluated_is_refused_before_anything_is_measured(profile, capsys):
    assert profile("--metric", "top5") == (2, set())
    assert "not evaluated by metric top5" in capsys.readouterr().err
