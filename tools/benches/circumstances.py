"""On what the figures were taken."""

from __future__ import annotations

import time
from importlib import metadata
from typing import Any

from models.running.processor import read_cpuinfo
from tools.demo_report import machine

_PACKAGES = ("zstandard", "flatbuffers")


def circumstances() -> dict[str, Any]:
    """The machine, its processor and load, the versions, and the date (UTC)."""
    found = machine()
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {
        **found,
        "cpu": _processor(read_cpuinfo()),
        "packages": {**found["packages"], **versions},
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _processor(cpuinfo: str) -> str:
    names = [
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith(("model name", "Model"))
    ]
    return names[-1] if names else "unknown"
