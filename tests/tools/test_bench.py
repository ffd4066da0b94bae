"""`dynasplit bench models`, as a user meets it: on the trained digits, with its fields and exit codes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from models.running.runner import RunnerFailed
from models.zoo import digits_vgg, load_digits_vgg
from protocol.errors import InvalidInput
from tools.benches import accuracy, cutting, models, networks, running, wire
from tools.benches.figures import Target, middle, spread
from tools.benches.isolated import apart
from tools.cli import main

pytestmark = pytest.mark.system


@pytest.fixture
def here(monkeypatch):
    """Everything is measured in this process: quick, and memory says nothing."""
    for module in (accuracy, cutting, running, wire):
        monkeypatch.setattr(module, "apart", lambda measure, **arguments: measure(**arguments))
    monkeypatch.setattr(wire, "_TIMED_BYTES", 1)
    monkeypatch.setattr(models, "_QUICK_IMAGES", 2)
    monkeypatch.setattr(accuracy, "POINTS", 100.0)
    for limit in ("CPU_MS_PER_MB", "SHARE"):
        monkeypatch.setattr(wire, limit, 1e6)


@pytest.fixture(scope="module")
def facts(tmp_path_factory) -> dict:
    """What a look at the trained network says."""
    path = tmp_path_factory.mktemp("bench") / "facts.json"
    with pytest.MonkeyPatch.context() as patch:
        here.__wrapped__(patch)
        code = main(["bench", "models", "--quick", "--only", "digits_vgg", "--repeats", "1", "--json", str(path)])
    return json.loads(path.read_text()) | {"code": code}


def test_it_says_on_what_it_measured(facts):
    assert {"cpu", "cores", "python", "packages", "date", "load", "repeats", "seconds"} <= facts.keys()
    assert {"ai-edge-litert", "numpy", "zstandard"} <= facts["packages"].keys()


def test_cuts_of_both_precisions_are_held_against_the_whole_by_both_runners(facts):
    assert facts["cutting"].keys() == {"digits_vgg-fp32", "digits_vgg-int8"}
    for found in facts["cutting"].values():
        assert found["inexact"].keys() == {"compiled", "interpreter"}
        assert all(result["inexact"] == [] for result in found["inexact"].values())
        assert found["all"]["flatbuffer_bytes"] > found["all"]["network_bytes"]


def test_opening_running_codecs_and_accuracy_are_measured(facts):
    run = facts["running"]["digits_vgg-fp32"]
    assert run["all_signatures"].keys() == {"first", "warm"}
    assert all(found["signatures"] == 2 * 17 + 1 for found in run["all_signatures"].values())
    assert run["latency"]["ratio_by_cut"].keys() <= {str(cut) for cut in range(1, 18)}
    assert len(run["latency"]["ratio_by_cut"]) == models._QUICK_CUTS
    assert run["reopen_ms"]["repeats"] == 2
    sent = facts["wire"]["digits_vgg-fp32"]
    assert sent["together"]["int8"]["share"] < sent["together"]["fp16"]["share"] < sent["together"]["raw"]["share"]
    assert len(facts["accuracy"]["digits_vgg-int8"]["results"]) >= 20


def test_a_look_takes_some_of_the_cuts_and_each_timing_once(facts):
    assert len(facts["wire"]["digits_vgg-fp32"]["cuts"]) == models._QUICK_CUTS
    assert facts["repeats"] == 1
    assert facts["complete"] is True


def test_the_line_over_sizes_tells_the_fixed_cost_of_a_request_from_that_of_a_megabyte():
    cuts = [
        {
            "fp32_bytes": size,
            "codecs": {
                "raw": {
                    "share": 1.0,
                    "encode_ms_per_mb": {"median": (0.05 + 2 * size / 1e6) / (size / 1e6)},
                    "decode_ms_per_mb": {"median": 3.0},
                }
            },
        }
        for size in (4_000, 16_000, 100_000)
    ]

    found = wire._together(cuts, "raw")

    assert (found["encode_fixed_ms"], found["encode_slope_ms_per_mb"]) == (0.05, 2.0)
    assert (found["decode_fixed_ms"], found["decode_slope_ms_per_mb"]) == (0.0, 3.0)


def test_what_was_measured_before_an_interruption_is_kept(here, monkeypatch, tmp_path):
    def measure(bench, name, precision):
        if precision == "int8":
            raise KeyboardInterrupt
        bench.families["cutting"][name] = {"measured": True}

    monkeypatch.setattr(models._Bench, "measure", measure)

    code = main(["bench", "models", "--only", "digits_vgg", "--json", str(tmp_path / "facts.json")])

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert code == 130
    assert facts["complete"] is False
    assert facts["cutting"] == {"digits_vgg": {"measured": True}}


def test_each_target_has_its_figure_and_the_exit_code_follows(facts):
    assert all({"name", "figure", "limit", "at_least", "unit", "met"} == target.keys() for target in facts["targets"])
    assert facts["met"] == all(target["met"] for target in facts["targets"])
    assert facts["code"] == (0 if facts["met"] else 1)


def test_a_missed_target_is_exit_code_1(here, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cutting, "BYTES_PER_OPERATOR_AND_CUT", 1)
    monkeypatch.setattr(models._Bench, "_running", lambda *_: None)
    monkeypatch.setattr(models._Bench, "_trained", lambda *_: None)

    assert main(["bench", "models", "--only", "digits_vgg", "--json", str(tmp_path / "facts.json")]) == 1

    assert json.loads((tmp_path / "facts.json").read_text())["met"] is False
    assert "missed" in capsys.readouterr().err


def test_what_is_measured_apart_leaves_nothing_here(tmp_path):
    found = apart(cutting.cut, network=str(digits_vgg("int8")), bundle=str(tmp_path / "bundle"), cuts="single")

    assert found["operators"] == 20
    assert 20 < found["peak_rss_mib"] < 500


def test_a_measurement_that_fails_says_why(tmp_path):
    with pytest.raises(RunnerFailed, match=r"gone\.tflite cannot be read"):
        apart(cutting.cut, network=str(tmp_path / "gone.tflite"), bundle=str(tmp_path / "bundle"), cuts="single")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "alexnet"], "not 'alexnet'"),
        (["--only", "digits_vgg", "--repeats", "0"], "--repeats must be 1 or more"),
        (["--networks", "nowhere"], "--networks nowhere is no folder"),
        (["--networks", ".", "--only", "vgg16"], "holds no vgg16-fp32.tflite"),
        (["--json", "/nowhere/facts.json"], "/nowhere/facts.json"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert main(["bench", "models", *arguments]) == 2

    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_of_a_folder_what_lies_there_is_measured(tmp_path):
    shutil.copy(digits_vgg("int8"), tmp_path / "vgg16-int8.tflite")

    assert networks.precisions("vgg16", tmp_path) == ("int8",)
    assert networks.network_file("vgg16", "int8", tmp_path, tmp_path / "work") == tmp_path / "vgg16-int8.tflite"
    with pytest.raises(InvalidInput, match="holds no resnet50"):
        networks.precisions("resnet50", tmp_path)


def test_the_trained_network_is_measured_on_its_held_out_images(tmp_path):
    found = networks.digits("digits_vgg", "fp32", tmp_path)

    with np.load(found.samples) as samples:
        assert np.array_equal(samples["labels"], load_digits_vgg().labels)


def test_a_figure_at_its_limit_meets_it():
    assert Target("size", 1.02, 1.02, "x").met
    assert not Target("size", 1.021, 1.02, "x").met


def test_a_figure_that_must_be_reached_may_be_above_its_limit():
    assert Target("energy saved", 51.0, 50.0, "%", at_least=True).met
    assert not Target("energy saved", 49.9, 50.0, "%", at_least=True).met


def test_many_repeats_are_told_by_median_and_quartiles():
    assert middle([1, 2, 3, 4, 100]) == {"median": 3, "lower": 2, "upper": 4, "repeats": 5}


def test_repeats_are_told_by_median_and_range():
    assert spread([3, 1, 2]) == {"median": 2, "least": 1, "most": 3, "repeats": 3}
