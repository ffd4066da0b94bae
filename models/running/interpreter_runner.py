"""The TFLite Interpreter: for processors that CompiledModel does not run on, and where no weight cache can be written."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.bundle import SIGNATURES, Bundle
from models.manifest import Manifest
from models.network.structure import verify_file
from models.running.memory import available_bytes
from models.running.native_log import native_messages
from models.running.runner import RunnerFailed
from protocol.tensors import Array, TensorSpec

logger = logging.getLogger(__name__)

_PACKED = 1.2
"""Packed weights and what belongs to them, over the flatbuffer that they come from. Seen: 1.0 with VGG16, 1.2 with small networks.

With the activations below, five networks of 4 to 553 MB were estimated 8 % too low to 30 % too high.
"""
_WITHOUT_ANYTHING_TOLD = 2 << 30
_SHARE = 0.5
"""Of what is left and what is open, how much the open ones may hold: other processes and other bundles live here too."""


@dataclass(frozen=True)
class _Open:
    """A signature that is ready to run, and what it is estimated to hold in memory."""

    runner: Any
    needed_bytes: int


class InterpreterEngine:
    """One `Interpreter` per signature, each on a flatbuffer of its own: opening the bundle's would prepare all of them.

    They stay open while all together fit into `memory_bytes`, by default half of what the computer or the control group
    has left; else the least recently used are dropped first. The one that runs always stays. `folder` keeps the extracted
    flatbuffers for the next start. Running releases Python's global lock.
    """

    holds_interpreter = False

    def __init__(
        self, bundle: Bundle, *, threads: int = 1, folder: Path | None = None, memory_bytes: int | None = None
    ) -> None:
        self._bundle = bundle
        self._path = bundle.artifact(SIGNATURES)
        self._threads = threads
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._activations = activation_bytes(bundle.manifest)
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._whole: Any = None
        module, self.runtime = interpreter_module()
        self._interpreter = module.Interpreter

    def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Mapping[str, TensorSpec]
    ) -> Mapping[str, Array]:
        try:
            runner = self._runner(signature)
            made = runner(**{name: inputs[name] for name in runner.get_input_details()})
            return {name: made[name].reshape(spec.shape) for name, spec in outputs.items()}
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            if isinstance(error, RunnerFailed):
                raise
            raise RunnerFailed(
                f"{self._path}: signature {signature}: {error!r:.200}; log at DEBUG to see what the runtime says"
            ) from error

    def close(self) -> None:
        self._open.clear()
        self._whole = None

    def _runner(self, signature: str) -> Any:
        if signature not in self._open:
            extracting = find_spec("ai_edge_litert") is not None
            self._open[signature] = self._extracted(signature) if extracting else self._of_whole(signature)
        self._open.move_to_end(signature)
        return self._open[signature].runner

    def _extracted(self, signature: str) -> _Open:
        from models.running.extracted import ExtractedFiles

        with ExtractedFiles(self._bundle, self._folder).file(signature) as path:
            needed = round(_PACKED * path.stat().st_size) + self._activations
            self._make_room(needed)
            runner = self._prepared(path).get_signature_runner(signature)
        logger.debug("%s: %s opened, about %d MiB", self._path, signature, needed >> 20)
        return _Open(runner, needed)

    def _of_whole(self, signature: str) -> _Open:
        """From one interpreter of all signatures: the schema that extracting needs comes with LiteRT, which is not there."""
        if self._whole is None:
            verify_file(self._path)
            self._check_whole_fits()
            self._whole = self._prepared(self._path)
            logger.debug("%s opened", self._path)
        return _Open(self._whole.get_signature_runner(signature), 0)

    def _prepared(self, path: Path) -> Any:
        with native_messages():
            interpreter = self._interpreter(model_path=str(path), num_threads=self._threads)
            interpreter.allocate_tensors()
        return interpreter

    def _make_room(self, needed: int) -> None:
        while self._open and needed + self._held() > self._budget():
            signature, _ = self._open.popitem(last=False)
            logger.debug("%s: %s dropped", self._path, signature)

    def _held(self) -> int:
        return sum(each.needed_bytes for each in self._open.values())

    def _budget(self) -> int:
        if self._memory_bytes is not None:
            return self._memory_bytes
        left = available_bytes()
        return _WITHOUT_ANYTHING_TOLD if left is None else round(_SHARE * (left + self._held()))

    def _check_whole_fits(self) -> None:
        """Opened together, each signature packs weights of its own: on average half of the network's."""
        signatures = 2 * len(self._bundle.manifest.cuts) - 3
        needed = round(_PACKED * signatures * self._path.stat().st_size / 2)
        if needed > self._budget():
            raise RunnerFailed(
                f"{self._path}: {self.runtime} must open all {signatures} heads and tails at once, about {needed >> 20} MiB, "
                f"of {self._budget() >> 20} MiB to use; cut it with fewer --cuts, or use a 64-bit system with LiteRT"
            )


def activation_bytes(manifest: Manifest) -> int:
    """About what the tensors between operators take: four times the largest boundary that the manifest knows."""
    ends = [sum(spec.nbytes for spec in side) for side in (manifest.inputs, manifest.outputs)]
    return 4 * max(*ends, *(point.boundary_bytes for point in manifest.cut_points))


def interpreter_module() -> tuple[Any, str]:
    """The module with `Interpreter` and `load_delegate`, of LiteRT or else of tflite-runtime (32-bit Raspberry Pi OS), and what to
    call its interpreter."""
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        from tflite_runtime import interpreter  # type: ignore[import-not-found, no-redef, unused-ignore]

        return interpreter, f"tflite-{version('tflite-runtime')}-interpreter"
    return interpreter, f"litert-{version('ai-edge-litert')}-interpreter"
