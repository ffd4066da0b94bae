"""What `/proc/cpuinfo` says of the processor, as far as a runtime depends on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

_IDENTIFYING = ("model name", "flags", "Features", "CPU implementer", "CPU part", "Hardware")


def read_cpuinfo(path: Path = CPUINFO) -> str:
    """The text, or '' where there is none (macOS)."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def has_needed_atomics(cpuinfo: str, machine: str) -> bool:
    """False for an ARM processor whose features lack `atomics` (ARMv8.1 LSE: not on Cortex-A53 or A72).

    LiteRT's aarch64 wheels 2.1-2.3 carry a GPU library that is compiled for them, and loading it without ends the
    process with SIGILL. `machine` is `platform.machine()`. An ARM processor that lists no features may lack them.
    """
    features = [line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith("Features")]
    if machine not in ("aarch64", "arm64") and not features:
        return True
    return bool(features) and all("atomics" in core for core in features)


def processor_digest(cpuinfo: str) -> str:
    """Eight hexadecimal digits that differ between kinds of processors."""
    lines = {line for line in cpuinfo.splitlines() if line.startswith(_IDENTIFYING)}
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:8]
