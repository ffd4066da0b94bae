"""Running a finished bundle against the network's own file, before anybody gets it, in a process of its own.

For networks with operators of which nobody knows where the runtime keeps their results (`models/network/placement.py`).
`python -m models.cutting.rehearsal NET.tflite BUNDLE` prints as JSON at which cut points the bundle fails, and how.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from models.bundle import Bundle
from models.cutting.exactness import random_samples, through
from models.manifest import Manifest
from models.network.graph import Graph
from models.network.placement import planned_later
from models.network.trial import answer_of, opened
from models.running.runner import Runner, RunnerFailed
from models.running.runner_choice import open_runner
from protocol.tensors import Array

_Answered = tuple[Sequence[Array], Mapping[str, Array]]

_RUNS = 2
"""What the runtime allocates anew is often right, or still empty, at the first run only."""

_RELATIVE = 1e-3
"""The two runtimes may add in another order; memory that nobody wrote is off by more."""


def doubtful(graph: Graph) -> bool:
    """Whether the bundle of this network should be run before it is trusted."""
    return bool(planned_later(graph.operators, graph.tensors))


def rehearse(network: Path, bundle: Bundle) -> Mapping[int, str]:
    """The cut points at which the bundle does not answer as the network's file does in a plain interpreter, and why.

    InvalidInput where the runtime crashes.
    """
    found = answer_of(["models.cutting.rehearsal", str(network), str(bundle.folder)], network)
    return {int(cut): reason for cut, reason in found["failures"].items()}


def _failures(network: Path, bundle: Bundle) -> dict[int, str]:
    manifest = bundle.manifest
    expected = list(_expected(network, manifest))
    with tempfile.TemporaryDirectory() as scratch, closing(open_runner(bundle, cache_dir=Path(scratch))) as runner:
        reasons = {cut: _failure(manifest, runner, cut, expected) for cut in manifest.cuts}
    return {cut: reason for cut, reason in reasons.items() if reason}


def _expected(network: Path, manifest: Manifest) -> Iterator[_Answered]:
    """Random inputs, around zero too, with what the file answers; those on which it fails are left out."""
    interpreter = opened(str(network))
    for number, sample in enumerate(random_samples(manifest, 3)):
        inputs = [array - array.dtype.type(0.5) if number and array.dtype.kind == "f" else array for array in sample]
        try:
            for entry, array in zip(interpreter.get_input_details(), inputs, strict=True):
                interpreter.set_tensor(entry["index"], array)
            interpreter.invoke()
        except (RuntimeError, ValueError):
            continue
        entries = zip(manifest.outputs, interpreter.get_output_details(), strict=True)
        yield inputs, {spec.name: interpreter.get_tensor(entry["index"]).copy() for spec, entry in entries}


def _failure(manifest: Manifest, runner: Runner, cut: int, expected: list[_Answered]) -> str:
    for inputs, answer in expected * _RUNS:
        try:
            found = through(runner, cut, inputs)
        except RunnerFailed as error:
            return f"it fails: {error}"
        for spec in manifest.outputs:
            if not _alike(found[spec.name], answer[spec.name]):
                return f"output '{spec.name}' is another than in the network's own file"
    return ""


def _alike(found: Array, expected: Array) -> bool:
    if found.size != expected.size:
        return False
    one, other = (array.reshape(-1).astype(np.float64) for array in (found, expected))
    if expected.dtype.kind != "f":
        rounding = 1 if expected.dtype in (np.int8, np.uint8, np.int16) else 0
        return bool((np.abs(one - other) <= rounding).all())
    finite = other[np.isfinite(other)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    return bool(np.allclose(one, other, rtol=_RELATIVE, atol=_RELATIVE * largest, equal_nan=True))


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"failures": _failures(Path(sys.argv[1]), Bundle.open(Path(sys.argv[2])))}) + "\n")
