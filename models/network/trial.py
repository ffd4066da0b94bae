"""Asking the runtime about a network in a process of its own, which a damaged file may crash.

The runtime trusts much of what a flatbuffer says. `python -m models.network.trial NET.tflite` opens one and prints as JSON what it
found; whoever asks survives whatever happens there.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from protocol.errors import InvalidInput

PATIENCE_S = 120
"""How long opening and one run may take; VGG16 takes two seconds."""


def shapes_at_batch_1(path: Path) -> list[list[int] | None]:
    """The shape of every tensor of the main graph when open sides of the inputs are 1; None where the runtime tells none.

    InvalidInput, in one line, where the runtime refuses the network or crashes.
    """
    return [tensor and tensor[0] for tensor in ask(path, "shapes")["tensors"]]


def ask(path: Path, question: str) -> dict[str, Any]:
    """The answer to `shapes` or `prove`; InvalidInput, in one line, where the runtime refuses the network or crashes."""
    return answer_of(["models.network.trial", question, str(path)], path)


def answer_of(words: Sequence[str], path: Path) -> dict[str, Any]:
    """What a module prints as its last line of JSON when it is run with these words, in a process of its own.

    InvalidInput, naming the network at `path`, where that process crashes, takes too long, or says that it is refused.
    """
    command = [sys.executable, "-m", *words]
    try:
        child = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidInput(f"{path}: LiteRT did not open and run it once within {PATIENCE_S} s") from error
    lines = child.stdout.splitlines()
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise InvalidInput(f"{path} crashes LiteRT ({name}): it is damaged, or uses what this version cannot do")
    if child.returncode or not lines:
        raise InvalidInput(f"{path} could not be tried: {child.stderr.strip()[-200:] or child.returncode}")
    answer: dict[str, Any] = json.loads(lines[-1])
    if answer.get("refused"):
        raise InvalidInput(f"{path} is refused by LiteRT: {answer['refused']}")
    return answer


def _shapes(path: str) -> dict[str, Any]:
    """With the plain kernels, since a delegate hides the tensors that it computes, and without packing weights."""
    import numpy as np
    from ai_edge_litert.interpreter import OpResolverType

    interpreter = opened(path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    _run_on_zeros(interpreter)
    details = {
        entry["index"]: ([int(side) for side in entry["shape"]], np.dtype(entry["dtype"]).name)
        for entry in interpreter.get_tensor_details()
    }
    return {"tensors": [details.get(index) for index in range(max(details) + 1)]}


def _proof(path: str) -> dict[str, Any]:
    """With the kernels that a runner has, too."""
    answer = _shapes(path)
    _run_on_zeros(opened(path))
    return answer


def opened(path: str, **options: Any) -> Any:
    """LiteRT's interpreter of the file, ready to run, at a batch of 1; what it raises is the runtime's."""
    from ai_edge_litert.interpreter import Interpreter

    closed = _closed_content(path)
    source: dict[str, Any] = {"model_content": closed} if closed else {"model_path": path}
    interpreter = Interpreter(**source, **options, num_threads=1)
    for entry in interpreter.get_input_details():
        sides = [int(side) for side in entry["shape_signature"]] or [int(side) for side in entry["shape"]]
        if any(side < 0 for side in sides):
            interpreter.resize_tensor_input(entry["index"], [1 if side < 0 else side for side in sides])
    interpreter.allocate_tensors()
    return interpreter


def _closed_content(path: str) -> bytes:
    """The network with 1 for open sides, where it says -1 in shapes and not beside them: the runtime refuses those; else b''."""
    from models.network import tflite

    model = tflite.read(Path(path))
    tensors = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors or []]
    open_ones = [tensor for tensor in tensors if any(side < 0 for side in tflite.numbers(tensor.shape))]
    for tensor in open_ones:
        tensor.shape = [max(side, 1) for side in tflite.numbers(tensor.shape)]
    model.buffers = [tflite.AlignedBuffer(tflite.data_of(buffer)) for buffer in model.buffers]
    return tflite.pack(model) if open_ones else b""


def _run_on_zeros(interpreter: Any) -> None:
    try:
        for entry in interpreter.get_input_details():
            interpreter.set_tensor(entry["index"], interpreter.get_tensor(entry["index"]) * 0)
        interpreter.invoke()
    except (RuntimeError, ValueError, TypeError):
        pass


def _answer(question: str, path: str) -> dict[str, Any]:
    try:
        return {"shapes": _shapes, "prove": _proof}[question](path)
    except (RuntimeError, ValueError, MemoryError) as error:
        return {"refused": " ".join(str(error).split())[:300]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer(*sys.argv[1:3])) + "\n")
