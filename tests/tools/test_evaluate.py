"""`dynasplit evaluate`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.accuracy.evaluation import read_record
from models.bundle import ACCURACY, Bundle
from models.cutting.plain import make_bundle
from models.running.runner import FakeRunner
from models.zoo import digits_vgg, load_digits_vgg
from tools import evaluate as verb
from tools.cli import main

ROOT = Path(__file__).parents[2]
TEST = str(digits_vgg().with_name("test.npz"))


@pytest.fixture
def bundle(tmp_path) -> Bundle:
    card = load_digits_vgg().card
    folder = tmp_path / "bundle"
    return make_bundle(digits_vgg("int8"), folder, name="digits", cuts=(9,), scaling=card.scaling, labels=card.labels)


@pytest.fixture
def heads(monkeypatch) -> list[int]:
    """Runs everything with the fake runner, and notes which heads ran."""
    ran: list[int] = []

    class Noting(FakeRunner):
        def head(self, cut, inputs):
            ran.append(cut)
            return super().head(cut, inputs)

    monkeypatch.setattr(verb, "open_runner", lambda bundle, **_: Noting(bundle.manifest))
    return ran


@pytest.fixture
def evaluate(bundle, capsys):
    """Runs the verb on the bundle; exit code, facts, what stood on stderr."""

    def run(*arguments, samples=TEST):
        code = main(["evaluate", str(bundle.folder), "--samples", str(samples), "--json", "-", *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if code == 0 else None, captured.err

    return run


def images(folder: Path, names=tuple("0123456789"), *, count=2) -> Path:
    """A folder of held-out digits, one sub-folder per class with these names."""
    zoo = load_digits_vgg()
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number, place in enumerate(np.flatnonzero(zoo.labels == label)[:count]):
            Image.fromarray(zoo.images[place, :, :, 0]).save(folder / name / f"{number}.png")
    return folder


def test_a_network_is_evaluated_and_described(evaluate, bundle):
    code, facts, told = evaluate("--limit", "12", "--codecs", "raw,int8+zstd", "--cuts", "9,20")

    assert code == 0
    assert facts["bundle"] == bundle.digest
    assert (facts["network"], facts["metric"], facts["samples"]) == ("digits", "top1", 12)
    assert facts["runtime"].startswith("litert-")
    assert facts["whole"]["low"] < facts["whole"]["value"] <= facts["whole"]["high"]
    assert [(result["cut"], result["codec"]) for result in facts["results"]] == [
        (cut, codec) for cut in (9, 20) for codec in ("raw", "int8+zstd")
    ]
    assert all(result["value"] == facts["whole"]["value"] >= 11 / 12 for result in facts["results"])
    assert "block3_pool" in told or facts["results"][0]["name"] in told
    assert "95 % interval" in told


def test_the_same_question_is_not_run_again_and_fresh_asks_anew(evaluate, heads):
    _, first, _ = evaluate("--limit", "6")
    ran = len(heads)
    _, second, told = evaluate("--limit", "6")
    assert ran == len(heads) > 0
    assert "nothing is run" in told

    evaluate("--limit", "5")
    assert len(heads) > ran
    ran = len(heads)
    evaluate("--limit", "6", "--fresh")
    assert len(heads) > ran
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_more_codecs_and_cuts_add_to_what_is_known(evaluate, heads):
    evaluate("--limit", "4", "--cuts", "0", "--codecs", "raw")
    heads.clear()

    _, facts, _ = evaluate("--limit", "4", "--cuts", "0", "--codecs", "int8,raw+zstd")

    assert len(heads) == 4
    assert len(facts["results"]) == 2


@pytest.mark.exhaustive
def test_a_folder_of_images_is_read_by_label(evaluate, tmp_path):
    code, facts, told = evaluate("--cuts", "9", "--codecs", "raw", samples=images(tmp_path / "digits"))

    assert code == 0, told
    assert facts["samples"] == 20
    assert facts["whole"]["value"] >= 0.9


def test_the_first_images_are_of_all_classes(evaluate, tmp_path, heads):
    samples = images(tmp_path / "digits", count=3)
    (samples / "3" / "0.png").write_bytes(b"no image")

    code, facts, _ = evaluate("--limit", "3", samples=samples)
    assert (code, facts["samples"]) == (0, 3)
    code, _, told = evaluate("--limit", "4", samples=samples)
    assert code == 2
    assert f"{samples / '3' / '0.png'} is no image that can be read" in told
    assert told.count("\n") == 2


def test_without_labels_the_classes_are_counted_by_name_and_that_is_said(evaluate, tmp_path, heads, bundle):
    make_bundle(digits_vgg("int8"), bundle.folder, name="digits", cuts=(9,))

    _, by_name, told = evaluate(samples=images(tmp_path / "named", [f"digit-{label}" for label in range(10)]))
    assert "count as classes 0, 1, … by name" in told
    _, by_number, told = evaluate(samples=images(tmp_path / "numbered"))
    assert "by name" not in told
    assert by_name["samples_digest"] == by_number["samples_digest"]


def test_a_function_of_the_users_own_judges(evaluate, tmp_path, monkeypatch, heads):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "judge_of_digits.py").write_text("def half(outputs, labels): return 0.5\n")

    code, facts, _ = evaluate("--limit", "3", "--metric", "judge_of_digits:half")

    assert code == 0
    assert facts["whole"] == {"value": 0.5, "low": None, "high": None}
    assert facts["metric"] == "judge_of_digits:half"


def test_a_damaged_record_is_kept_aside_and_said(evaluate, bundle, heads):
    (bundle.folder / ACCURACY).write_text('{"schema": 1')

    code, _, told = evaluate("--limit", "3")

    assert code == 0
    assert "accuracy.json is not valid JSON" in told
    assert (bundle.folder / f"{ACCURACY}.damaged").read_text() == '{"schema": 1'
    assert read_record(bundle.folder).metrics == ("top1",)


@pytest.mark.exhaustive
def test_interrupted_it_keeps_whole_cut_points_and_ends_with_130(bundle, tmp_path):
    script = (
        "import os, signal\n"
        "from models.running.runner import FakeRunner\n"
        "from tools import evaluate\n"
        "class Stopped(FakeRunner):\n"
        "    def head(self, cut, inputs):\n"
        "        if cut == 9: os.kill(os.getpid(), signal.SIGINT)\n"
        "        return super().head(cut, inputs)\n"
        "evaluate.open_runner = lambda bundle, **_: Stopped(bundle.manifest)\n"
        "from tools.cli import main\n"
        f"raise SystemExit(main(['evaluate', {str(bundle.folder)!r}, '--samples', {TEST!r}, '--limit', '4']))\n"
    )

    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 130, ended.stderr
    assert "results are kept" in ended.stderr
    assert "Traceback" not in ended.stderr
    (evaluation,) = read_record(bundle.folder).evaluations
    assert {cut for cut, _ in evaluation.values} == {0}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--cuts", "3"], "no cut point 3"),
        (["--cuts", "x"], "--cuts must be all or a list"),
        (["--codecs", "zip"], "--codecs must be one of"),
        (["--metric", "top7"], "must be top1, top5 or module:function"),
        (["--limit", "0"], "--limit must be 1 or more"),
        (["--samples", "gone"], "gone cannot be read"),
        (["--samples", str(digits_vgg().with_name("card.json"))], "must be an .npz file"),
        (["--samples", str(ROOT / "models" / "zoo" / "digits_vgg")], "one sub-folder per class"),
        (["--samples", str(ROOT)], "is neither a label of digits (0, 1, 2, 3, 4, …) nor the number of one"),
        (["--json", "/no/such/folder/facts.json"], "cannot write"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(bundle, capsys, heads, arguments, complaint):
    code = main(["evaluate", str(bundle.folder), "--samples", TEST, *arguments])

    error = capsys.readouterr().err
    assert code == 2
    assert complaint in error
    assert error.count("\n") == 1
    assert not heads
    assert not (bundle.folder / ACCURACY).exists()
