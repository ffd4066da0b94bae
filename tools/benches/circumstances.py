"""On what the figures were taken."""

from __future__ import annotations

import time
from collections.abc import Mapping
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


def told(facts: Mapping[str, Any]) -> str:
    """For people: a bench's facts of its circumstances, and how long it took."""
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return (
        f"{facts['cpu']} ({facts['cores']} cores, {facts['memory_gib']} GiB, load {facts['load']}), "
        f"Python {facts['python']}, {packages}; {facts['seconds']:.0f} s in all."
    )


def _processor(cpuinfo: str) -> str:
    names = [
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith(("model name", "Model"))
    ]
    return names[-1] if names else "unknown"
