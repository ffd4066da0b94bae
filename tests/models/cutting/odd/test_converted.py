"""What TensorFlow's converter writes: cut exactly in both runtimes, or refused by name."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from models.cutting.cut import choose_cuts
from models.cutting.exactness import differences, random_samples
from models.cutting.plain import make_bundle
from models.network.graph import read_graph
from models.network.proof import prove
from models.running.interpreter_runner import InterpreterEngine
from models.running.litert_runner import CompiledEngine
from models.running.runner import SignatureRunner
from protocol.errors import InvalidInput

pytestmark = pytest.mark.convert

EXACT = {
    "residual": 5,
    "residual_fp16": 5,
    "residual_int8": 5,
    "residual_int16": 5,
    "lstm": 3,
    "lstm_sequence": 3,
    "gru": 3,
    "attention": 10,
    "loop": 2,
    "branch": 4,
    "sum_of_selected": 3,
    "reshaped": 2,
}
"""Networks that are cut, and how many cuts there are at least."""

REFUSED = {
    "selected": r"output 'output_0' has a shape that depends on the data since operator \d, WHERE",
    "variables": r"operator \d, VAR_HANDLE, keeps state between calls",
    "flex": r"operator 1, FlexMatrixDeterminant, is an operator of TensorFlow, which LiteRT lacks",
    "words": r"input 'words' is STRING, which cannot travel",
}


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("tensorflow") is None:
        pytest.skip("needs TensorFlow: make install-convert")
    folder = tmp_path_factory.mktemp("converted")
    script = Path(__file__).with_name("convert_networks.py")
    subprocess.run([sys.executable, str(script), str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", EXACT)
def test_a_converted_network_is_exact_at_every_cut_in_both_runtimes(converted, tmp_path, name):
    bundle = make_bundle(converted / f"{name}.tflite", tmp_path / "bundle", name=name, cuts="all", prove=prove)
    samples = list(random_samples(bundle.manifest, 2))

    for engine in (CompiledEngine(bundle), InterpreterEngine(bundle)):
        found = differences(bundle.manifest, SignatureRunner(bundle.manifest, engine), samples)

        assert len(found) >= EXACT[name] + 2
        assert set(found.values()) == {None}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_cut_is_refused_by_name(converted, name):
    with pytest.raises(InvalidInput, match=rf"{name}\.tflite: {REFUSED[name]}"):
        choose_cuts(read_graph(converted / f"{name}.tflite"))
