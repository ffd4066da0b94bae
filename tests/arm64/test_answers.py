"""A Pi gives the answers of this computer, with either runner, and the runner that is chosen never ends with SIGILL."""

from __future__ import annotations

import signal
from collections.abc import Mapping

import numpy as np
import pytest

from models.bundle import Bundle

pytestmark = pytest.mark.arm64

TOLERANCE = 1e-5
"""Of fp32 networks, whose outputs are probabilities; of their boundary tensors relative to the largest value."""


def tensors(answers: Mapping[str, np.ndarray], kind: str) -> Mapping[str, np.ndarray]:
    """The answers of networks of one precision, without the runtimes' names."""
    return {
        name: array
        for name, array in answers.items()
        if name.partition("/")[0].endswith(kind) and not name.endswith("/runtime")
    }


def is_boundary(name: str) -> bool:
    return name.rpartition("/")[2].startswith("b")


def output_step(bundle: Bundle) -> float:
    """The scale of the tensor that the last operator makes float of."""
    return bundle.manifest.cut_points[-2].boundary[0].scale


def apart(array: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(array.astype(np.float64) - other).max())


def test_the_runner_is_the_one_that_suits_the_board(run, answers):
    runtimes = {str(array) for name, array in answers.items() if name.endswith("/runtime")}

    assert len(runtimes) == 1
    assert runtimes.pop().endswith(run.kind)


def test_head_then_tail_is_bit_identical_to_the_whole_on_the_board(answers, bundles):
    for name, array in tensors(answers, "").items():
        bundle, _, image, tensor = name.split("/")
        if not is_boundary(name):
            whole = answers[f"{bundle}/{bundles[bundle].manifest.operator_count}/{image}/{tensor}"]
            assert array.tobytes() == whole.tobytes(), name


def test_fp32_networks_answer_as_here(answers, answers_here):
    expected = tensors(answers_here, "fp32")
    found = tensors(answers, "fp32")

    assert found.keys() == expected.keys()
    for name, array in found.items():
        unit = max(1.0, float(np.abs(expected[name]).max()))
        assert apart(array, expected[name]) <= TOLERANCE * unit, name


def test_int8_networks_answer_as_here_within_one_step(answers, answers_here, bundles):
    expected = tensors(answers_here, "int8")
    found = tensors(answers, "int8")

    assert found.keys() == expected.keys()
    for name, array in found.items():
        if not is_boundary(name):
            assert apart(array, expected[name]) <= output_step(bundles[name.partition("/")[0]]), name


def test_boundary_tensors_of_the_int8_convolutions_are_within_one_step(answers, answers_here):
    """Not so those of the ViT: a step here and there becomes three on the way through its many operators."""
    for name, array in tensors(answers, "vgg_int8").items():
        if is_boundary(name) and array.dtype == np.int8:
            assert apart(array, answers_here[name]) <= 1, name


def test_the_digit_is_the_same_one(answers, answers_here):
    for name, array in tensors(answers, "").items():
        if not is_boundary(name):
            assert array.argmax() == answers_here[name].argmax(), name


def test_compiled_model_as_it_comes_ends_the_process_on_a_cortex_a72(ask):
    ended = ask("cortex-a72", "compiled")

    assert ended.returncode == -signal.SIGILL, (
        "LiteRT's wheel no longer ends a process on a processor without LSE atomics: "
        f"is `models.running.processor.has_needed_atomics` still needed? {ended.stderr[-500:]}"
    )
