"""Metrics: right answers, functions of the user's own, and how sure a share is."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from models.accuracy.metrics import TOP1, TOP5, Top, load_metric, wilson
from protocol.errors import InvalidInput
from protocol.tensors import TensorSpec


@pytest.fixture
def manifest(digits_bundles):
    return digits_bundles["fp32"].manifest


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Loads a metric from a module of the user's own in the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def load(body: str, *, module: str = "my_metric"):
        (tmp_path / f"{module}.py").write_text(body)
        monkeypatch.delitem(sys.modules, module, raising=False)
        return load_metric(f"{module}:judge")

    return load


def judged(metric, manifest, scores, labels) -> float:
    tally = metric.tally(manifest)
    for row, label in zip(scores, labels, strict=True):
        tally.add({manifest.outputs[0].name: np.array([row])}, label)
    return tally.value()


@pytest.mark.parametrize(
    ("count", "scores", "label", "right"),
    [
        (1, [0.1, 0.7, 0.2], 1, True),
        (1, [0.1, 0.7, 0.2], 2, False),
        (2, [0.1, 0.7, 0.2], 2, True),
        (1, [3, 3, 1], 0, True),
        (1, [3, 3, 1], 1, False),
        (2, [3, 3, 3], 1, True),
        (1, [0.1, float("nan"), 0.2], 1, False),
    ],
)
def test_the_label_counts_where_it_is_among_the_highest(manifest, count, scores, label, right):
    assert judged(Top(count), manifest, [scores], [label]) == right


def test_quantised_outputs_are_judged_as_they_are(manifest):
    assert judged(TOP1, manifest, np.array([[-128, 127, 0], [5, 4, 3]], np.int8), np.array([1, 0])) == 1.0


def test_a_metric_that_would_always_be_1_is_refused(manifest):
    small = replace(manifest, outputs=(TensorSpec(manifest.outputs[0].name, "FP32", (1, 5)),))

    with pytest.raises(InvalidInput, match="always 1"):
        TOP5.check(small, np.zeros(3, np.int64))


def test_a_function_of_the_users_own_gets_all_outputs_and_labels(own, manifest):
    metric = own(
        "def judge(outputs, labels):\n"
        "    (scores,) = outputs.values()\n"
        "    assert scores.shape == (4, 10) and labels.shape == (4, 2), (scores.shape, labels.shape)\n"
        "    return (scores[:, 0] == labels[:, 1]).mean()\n"
    )

    value = judged(metric, manifest, np.eye(10, dtype=np.float32)[:4], np.array([[7, 1], [7, 0], [7, 0], [7, 1]]))

    assert value == 0.75
    assert metric.interval(value, 4) is None


def test_another_source_is_another_metric(own):
    first = own("def judge(outputs, labels): return 1.0")
    second = own("def judge(outputs, labels): return 0.5")

    assert first.name == second.name
    assert first.source != second.source


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("def judge(outputs, labels): return float('nan')", "my_metric:judge gave nan"),
        ("def judge(outputs, labels): return 1.5", "my_metric:judge gave 1.5"),
        ("def judge(outputs, labels): return 'high'", "my_metric:judge failed: ValueError"),
        ("def judge(outputs, labels): return None", "my_metric:judge failed: TypeError"),
        ("def judge(outputs, labels): raise SystemExit(0)", "my_metric:judge failed: SystemExit: 0"),
        ("def judge(outputs, labels): raise KeyError('a\\nb')", "my_metric:judge failed: KeyError"),
    ],
)
def test_a_function_that_gives_no_share_is_named_in_one_line(own, manifest, body, complaint):
    metric = own(body)

    with pytest.raises(InvalidInput, match=complaint) as told:
        judged(metric, manifest, [[1.0]], [0])
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("judge = 3", "has no function 'judge'"),
        ("", "has no function 'judge'"),
        ("import no_such_module_at_all", "cannot be imported: ModuleNotFoundError"),
        ("def judge(:", "cannot be imported: SyntaxError"),
        ("raise SystemExit", "cannot be imported: SystemExit"),
        ("raise RuntimeError('at import')", "cannot be imported: RuntimeError: at import"),
    ],
)
def test_a_module_that_has_no_such_function_is_refused(own, body, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        own(body)


@pytest.mark.parametrize("text", ["top2", "", "nothing", ":", "a b:c", "module:", ":function", "../x:y"])
def test_a_name_that_is_no_metric_is_refused(text):
    with pytest.raises(InvalidInput, match="must be top1, top5 or module:function"):
        load_metric(text)


def test_a_module_that_is_not_there_is_refused(own):
    with pytest.raises(InvalidInput, match="there is no module 'not_there_at_all'"):
        load_metric("not_there_at_all:judge")


@pytest.mark.parametrize(
    ("share", "count", "low", "high"), [(0.81, 100, 0.7222, 0.8749), (0.0, 20, 0.0, 0.1611), (1.0, 360, 0.9894, 1.0)]
)
def test_wilsons_interval(share, count, low, high):
    assert wilson(share, count) == pytest.approx((low, high), abs=1e-4)
