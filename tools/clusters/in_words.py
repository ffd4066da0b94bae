"""How the figures of a plan are written for people."""

from __future__ import annotations

_MIB = 2**20


def mib(size_bytes: float) -> str:
    """A size in MiB, without the unit."""
    return f"{size_bytes / _MIB:.1f}"


def duration(seconds: float) -> str:
    """A time in the unit that fits it."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def counted(count: int, noun: str) -> str:
    """So many of something: `1 node`, `2 nodes`."""
    return f"{count} {noun}{'s' * (count != 1)}"
