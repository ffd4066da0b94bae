"""LiteRT's CompiledModel: all signatures of a bundle in one process, over weights that are packed once."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import SIGNATURES, Bundle
from models.network.structure import verify_file
from models.running.native_log import native_messages
from models.running.processor import CPUINFO, read_cpuinfo
from models.running.runner import RunnerFailed
from models.running.weight_cache import WeightCache, cache_key
from protocol.tensors import Array, TensorSpec

logger = logging.getLogger(__name__)


_KEPT_BUFFER_BYTES = 32 << 20


@dataclass(frozen=True)
class _Buffers:
    """The native memory of one signature's ends."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    nbytes: int


def weight_cache(bundle: Bundle, folder: Path, *, cpuinfo: Path = CPUINFO) -> WeightCache:
    """The cache of this bundle's packed weights for this runtime and processor."""
    key = cache_key(bundle.digest, _runtime(), read_cpuinfo(cpuinfo))
    return WeightCache(folder, key, bundle.artifact(SIGNATURES).stat().st_size)


def _runtime() -> str:
    return f"litert-{version('ai-edge-litert')}-compiled"


class CompiledEngine:
    """A bundle's flatbuffer in `CompiledModel` on the CPU (XNNPACK). It opens at the first run.

    Running holds Python's global lock throughout. The buffers at a signature's ends are kept up to 32 MiB together, the
    least recently used dropped first: making them again costs about a millisecond, keeping VGG16's all 130 MiB.
    """

    holds_interpreter = True

    def __init__(self, bundle: Bundle, *, threads: int = 1, cache: WeightCache | None = None) -> None:
        self._path = bundle.artifact(SIGNATURES)
        self._threads = threads
        self._cache = cache
        self._model: Any = None
        self._buffers: OrderedDict[str, _Buffers] = OrderedDict()
        self.runtime = _runtime()

    def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Mapping[str, TensorSpec]
    ) -> Mapping[str, Array]:
        try:
            if signature in self._buffers:
                return self._run(self._open(signature, inputs, outputs), signature, inputs, outputs)
            with native_messages():
                return self._run(self._open(signature, inputs, outputs), signature, inputs, outputs)
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise RunnerFailed(
                f"{self._path}: signature {signature}: {error!r:.200}; log at DEBUG to see what the runtime says"
            ) from error

    def close(self) -> None:
        with native_messages():
            self._buffers.clear()
            self._model = None

    def _run(
        self, buffers: _Buffers, signature: str, inputs: Mapping[str, Array], outputs: Mapping[str, TensorSpec]
    ) -> Mapping[str, Array]:
        for name, buffer in buffers.inputs.items():
            _write(buffer, inputs[name])
        self._model.run_by_name(signature, buffers.inputs, buffers.outputs)
        return {name: _read(buffers.outputs[name], spec) for name, spec in outputs.items()}

    def _open(self, signature: str, inputs: Mapping[str, Array], outputs: Mapping[str, TensorSpec]) -> _Buffers:
        if signature not in self._buffers:
            if self._model is None:
                self._model = self._compile()
            ends = self._model.get_signature_list()[signature]
            sizes = [inputs[name].nbytes for name in ends["inputs"]] + [spec.nbytes for spec in outputs.values()]
            self._make_room(sum(sizes))
            self._buffers[signature] = _Buffers(
                {name: self._model.create_input_buffer_by_name(signature, name) for name in ends["inputs"]},
                {name: self._model.create_output_buffer_by_name(signature, name) for name in ends["outputs"]},
                sum(sizes),
            )
        self._buffers.move_to_end(signature)
        return self._buffers[signature]

    def _make_room(self, needed: int) -> None:
        while self._buffers and needed + sum(kept.nbytes for kept in self._buffers.values()) > _KEPT_BUFFER_BYTES:
            self._buffers.popitem(last=False)

    def _compile(self) -> Any:
        started = time.monotonic()
        verify_file(self._path)
        model = self._cache.open(self._compile_with) if self._cache else self._compile_with("")
        logger.debug("%s opened in %.0f ms", self._path, (time.monotonic() - started) * 1e3)
        return model

    def _compile_with(self, cache_path: str) -> Any:
        from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, HardwareAccelerator, Options

        cpu = CpuOptions(num_threads=self._threads, xnnpack_weight_cache_path=cache_path)
        options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)
        return CompiledModel.from_file(str(self._path), options=options)


def _write(buffer: Any, array: Array) -> None:
    """As bytes: the runtime's own `write` knows only some of the element types, and copies bytes all the same."""
    buffer.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8))


def _read(buffer: Any, spec: TensorSpec) -> Array:
    values: Array = buffer.read(spec.nbytes, np.uint8)
    return values.view(spec.dtype).reshape(spec.shape)
