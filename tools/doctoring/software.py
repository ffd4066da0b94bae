"""Python, the packages that the agent runs on, and what this processor can run of them."""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from models.running.processor import CPUINFO
from models.running.runner_choice import why_not_compiled
from tools.doctoring.findings import Finding, error, warning, well

_OLDEST = (3, 11)
_BITS = 64
_NEEDED = (
    "numpy",
    "ai_edge_litert.interpreter",
    "flatbuffers",
    "flask",
    "waitress",
    "urllib3",
    "paho.mqtt",
    "zstandard",
)
_INSTALL = "install the agent's packages: pip install -c constraints.txt '.[edge]'"


def check_software(*, cpuinfo: Path = CPUINFO) -> Iterator[Finding]:
    """Python's version and width, the packages of the agent, and which runner they give this processor."""
    yield _python()
    missing = [name for name in _NEEDED if not _importable(name)]
    if missing:
        yield error("packages", f"cannot be imported: {', '.join(missing)}", _INSTALL)
    else:
        yield well("packages", f"LiteRT {metadata.version('ai-edge-litert')}, numpy {metadata.version('numpy')}")
        yield _runner(cpuinfo)


def _python() -> Finding:
    seen = f"{platform.python_version()} on {platform.machine()}, {_bits()} bits"
    if sys.version_info < _OLDEST:
        return error("Python", seen, f"install Python {'.'.join(map(str, _OLDEST))} or newer")
    if _bits() != _BITS:
        return error("Python", seen, "LiteRT has wheels for 64-bit systems only: flash the 64-bit Raspberry Pi OS")
    return well("Python", seen)


def _bits() -> int:
    return 64 if sys.maxsize > 2**32 else 32


def _importable(name: str) -> bool:
    """Importing is the test: a package for another Python or processor is there, but cannot be loaded."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError):
        return False
    return True


def _runner(cpuinfo: Path) -> Finding:
    reason = why_not_compiled(cpuinfo)
    if not reason:
        return well("runner", "CompiledModel with packed weights")
    return warning(
        "runner",
        f"Interpreter: {reason}",
        "it serves; for the faster runner move libLiteRtWebGpuAccelerator.so out of the package (guide: device)",
    )
