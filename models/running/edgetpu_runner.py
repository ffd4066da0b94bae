"""Heads on an Edge TPU, by the interpreter with Coral's delegate; everything that is not compiled runs on the CPU.

The delegate's library decides the TPU's clock: `std`, or `max`, which is hotter and faster. Their Debian packages exclude each
other, but the two files can be loaded side by side (https://coral.ai/docs/edgetpu/tflite-python/).
"""

from __future__ import annotations

import ctypes
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from models.bundle import Bundle
from models.edgetpu_roles import compiled_signatures
from models.running.interpreter_runner import interpreter_module
from models.running.native_log import native_messages
from models.running.runner import Engine
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed, InvalidInput
from protocol.tensors import Array, TensorSpec

logger = logging.getLogger(__name__)

_FOLDER = Path("/usr/lib/dynasplit/edgetpu")
_HEADS_KEPT = 8

_delegates: WeakValueDictionary[tuple[str, str], Any] = WeakValueDictionary()
"""Open delegates by library and device. A TPU is opened once per process, so runners of several bundles share it."""


@dataclass(frozen=True)
class EdgeTpuLibraries:
    """Where the two builds of `libedgetpu.so.1` lie, and which TPU to take: `usb`, `pci`, `:0`, …; "" is the first."""

    std: Path = _FOLDER / "std" / "libedgetpu.so.1"
    max: Path = _FOLDER / "max" / "libedgetpu.so.1"
    device: str = ""

    def library(self, accelerator: EdgeAccelerator) -> Path:
        """The file for `std` or `max`; InvalidInput for `off`."""
        libraries = {EdgeAccelerator.STD: self.std, EdgeAccelerator.MAX: self.max}
        if accelerator not in libraries:
            raise InvalidInput(f"accelerator {accelerator.value} needs no Edge TPU library")
        return libraries[accelerator]


class EdgeTpuEngine:
    """Runs the compiled heads of a bundle on the TPU, and every other signature with the engine for the CPU.

    The library and the TPU are opened at the first compiled head. InvalidInput where the bundle has none.
    """

    holds_interpreter = False

    def __init__(
        self, bundle: Bundle, cpu: Engine, *, accelerator: EdgeAccelerator, libraries: EdgeTpuLibraries
    ) -> None:
        self._bundle = bundle
        self._cpu = cpu
        self._library = libraries.library(accelerator)
        self._device = libraries.device
        self._roles = compiled_signatures(bundle.manifest)
        if not self._roles:
            raise InvalidInput(f"bundle {bundle.folder} has no heads for an Edge TPU: dynasplit compile-tpu makes them")
        self._delegate: Any = None
        self._open: OrderedDict[str, Any] = OrderedDict()
        self.runtime = f"{cpu.runtime}+edgetpu-{accelerator.value}"

    def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Mapping[str, TensorSpec]
    ) -> Mapping[str, Array]:
        if signature not in self._roles:
            return self._cpu.run(signature, inputs, outputs)
        interpreter = self._interpreter(signature)
        try:
            return _run(interpreter, tuple(inputs.values()), outputs)
        except (RuntimeError, ValueError) as error:
            self._start_anew()
            raise AcceleratorFailed(
                f"the Edge TPU failed at {signature} ({_line(error)}): was it unplugged? Plug it in again; the next call tries anew"
            ) from error

    def close(self) -> None:
        self._give_up()
        self._cpu.close()

    def _give_up(self) -> None:
        self._open.clear()
        self._delegate = None

    def _start_anew(self) -> None:
        """What failed is not shared any more either: whoever comes next opens the TPU again."""
        if _delegates.get((str(self._library), self._device)) is self._delegate:
            _delegates.pop((str(self._library), self._device), None)
        self._give_up()

    def _interpreter(self, signature: str) -> Any:
        if signature not in self._open:
            if self._delegate is None:
                self._delegate = _shared_delegate(self._library, self._device)
            while len(self._open) >= _HEADS_KEPT:
                self._open.popitem(last=False)
            self._open[signature] = self._prepared(self._bundle.artifact(self._roles[signature]))
        self._open.move_to_end(signature)
        return self._open[signature]

    def _prepared(self, path: Path) -> Any:
        module, _ = interpreter_module()
        try:
            with native_messages():
                interpreter = module.Interpreter(
                    model_path=str(path), experimental_delegates=[self._delegate], num_threads=1
                )
                interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            self._start_anew()
            raise AcceleratorFailed(
                f"{path} does not open with {self._library} ({_line(error)}): compile it again, with a compiler that is no newer "
                "than the library"
            ) from error
        logger.debug("%s opened on the Edge TPU", path)
        return interpreter


def _run(interpreter: Any, inputs: tuple[Array, ...], outputs: Mapping[str, TensorSpec]) -> Mapping[str, Array]:
    """Inputs and outputs go by their order: the compiler drops the names of signatures."""
    details = interpreter.get_input_details(), interpreter.get_output_details()
    if (len(details[0]), len(details[1])) != (len(inputs), len(outputs)):
        raise ValueError(f"it has {len(details[0])} inputs and {len(details[1])} outputs")
    for entry, array in zip(details[0], inputs, strict=True):
        interpreter.set_tensor(entry["index"], array)
    interpreter.invoke()
    made = {name: interpreter.get_tensor(entry["index"]) for entry, name in zip(details[1], outputs, strict=True)}
    for name, spec in outputs.items():
        if made[name].dtype != spec.dtype or made[name].size != spec.elements:
            raise ValueError(f"its output {name} is {made[name].dtype} {list(made[name].shape)}")
    return {name: made[name].reshape(spec.shape) for name, spec in outputs.items()}


def _shared_delegate(library: Path, device: str) -> Any:
    key = (str(library), device)
    delegate = _delegates.get(key)
    if delegate is None:
        delegate = _delegates[key] = load_delegate(library, device)
        logger.info("Edge TPU opened with %s", library)
    return delegate


def check_library(library: Path) -> None:
    """AcceleratorFailed for a file that cannot be loaded, or is no delegate, with what to do."""
    try:
        _ = ctypes.PyDLL(str(library)).tflite_plugin_create_delegate
    except OSError as error:
        raise AcceleratorFailed(
            f"{library} cannot be loaded ({_line(error)}): install libedgetpu1-std, or unpack the library there"
        ) from error
    except AttributeError as error:
        raise AcceleratorFailed(f"{library} is no TFLite delegate: give the path of libedgetpu.so.1") from error


def load_delegate(library: Path, device: str) -> Any:
    """The delegate in a library. AcceleratorFailed for each of the three ways in which that fails, with what to do.

    The library is looked at first: TFLite's own loader leaves half-made objects behind, which complain when they are collected.
    """
    check_library(library)
    module, _ = interpreter_module()
    try:
        with native_messages():
            return module.load_delegate(str(library), {"device": device} if device else {})
    except ValueError as error:
        raise AcceleratorFailed(
            f"{library} finds no Edge TPU ({_line(error)}): is one plugged in, is no other process using it, and is this user in "
            "group plugdev? If so, unplug it and plug it in again"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
