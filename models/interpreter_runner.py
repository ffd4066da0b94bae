"""The TFLite Interpreter: for processors that CompiledModel does not run on, and where no weight cache can be written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from models.bundle import SIGNATURES, Bundle
from models.native_log import native_messages
from models.runner import RunnerFailed
from models.structure import verify_file
from protocol.tensors import Array, TensorSpec

KEPT_OPEN = 4
"""Heads and tails that stay open: each packs its own weights, at up to twice their size."""


class InterpreterEngine:
    """One `Interpreter` per signature, each on a flatbuffer of its own: opening the bundle's would prepare all of them.

    The least recently used is dropped when more than `keep` are open. Running releases Python's global lock.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1, keep: int = KEPT_OPEN) -> None:
        self._path = bundle.artifact(SIGNATURES)
        self._threads = threads
        self._keep = keep
        self._open: OrderedDict[str, Any] = OrderedDict()
        self._interpreter, self.runtime = _runtime()

    def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Mapping[str, TensorSpec]
    ) -> Mapping[str, Array]:
        try:
            runner = self._runner(signature)
            made = runner(**{name: inputs[name] for name in runner.get_input_details()})
            return {name: made[name].reshape(spec.shape) for name, spec in outputs.items()}
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise RunnerFailed(
                f"{self._path}: signature {signature}: {error!r:.200}; log at DEBUG to see what the runtime says"
            ) from error

    def close(self) -> None:
        self._open.clear()

    def _runner(self, signature: str) -> Any:
        if signature in self._open:
            self._open.move_to_end(signature)
            return self._open[signature]
        while len(self._open) >= self._keep:
            self._open.popitem(last=False)
        with native_messages():
            interpreter = self._interpreter(**self._source(signature), num_threads=self._threads)
            interpreter.allocate_tensors()
            runner = self._open[signature] = interpreter.get_signature_runner(signature)
        return runner

    def _source(self, signature: str) -> dict[str, Any]:
        """The extracted signature; all of the bundle where the schema that extracting needs came with no package."""
        try:
            from models.extract import extract
        except ImportError:
            verify_file(self._path)
            return {"model_path": str(self._path)}
        return {"model_content": extract(self._path.read_bytes(), signature, what=str(self._path))}


def _runtime() -> tuple[Any, str]:
    """LiteRT's interpreter, else that of tflite-runtime (32-bit Raspberry Pi OS), and what to call it."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter  # type: ignore[import-not-found, no-redef, unused-ignore]

        return Interpreter, f"tflite-{version('tflite-runtime')}-interpreter"
    return Interpreter, f"litert-{version('ai-edge-litert')}-interpreter"
