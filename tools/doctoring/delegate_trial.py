"""Tries a library for the Edge TPU in a process of its own, which it may hang or end.

python -m tools.doctoring.delegate_trial LIBRARY look        whether it can be loaded
python -m tools.doctoring.delegate_trial LIBRARY open DEVICE  whether it opens the TPU and a network with this LiteRT

One line of JSON on stdout: `runtime`, what the library calls itself ("": it does not say), and `error` ("": none).
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from models.running.edgetpu_runner import check_library, load_delegate
from models.running.interpreter_runner import interpreter_module
from models.running.native_log import native_messages
from models.zoo import digits_vgg
from protocol.errors import DynaSplitError


def main(argv: Sequence[str]) -> int:
    library, operation, *device = argv
    said = {"runtime": "", "error": ""}
    try:
        check_library(Path(library))
        said["runtime"] = _runtime(library)
        if operation == "open":
            _open(Path(library), *device)
    except DynaSplitError as failure:
        said["error"] = str(failure)
    except (RuntimeError, ValueError) as failure:
        said["error"] = f"{library} opens no network with this LiteRT: {failure}"
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


def _runtime(library: str) -> str:
    """By `edgetpu_version` of its C interface (libedgetpu, tflite/public/edgetpu_c.h)."""
    loaded = ctypes.CDLL(library)
    if not hasattr(loaded, "edgetpu_version"):
        return ""
    loaded.edgetpu_version.restype = ctypes.c_char_p
    told = loaded.edgetpu_version()
    return told.decode(errors="replace") if told else ""


def _open(library: Path, device: str) -> None:
    """A network without compiled operators: what a library for another LiteRT does not survive comes before them."""
    delegate = load_delegate(library, device)
    module, _ = interpreter_module()
    with native_messages():
        module.Interpreter(model_path=str(digits_vgg()), experimental_delegates=[delegate]).allocate_tensors()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
