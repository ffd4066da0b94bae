"""The names of a bundle's signatures."""

from __future__ import annotations

WHOLE = "whole"
"""All operators; in a mixed bundle, all of the network that heads are cut from. All of the other one are `tail_0` there."""


def head_signature(cut: int) -> str:
    """Operators [0, cut)."""
    return f"head_{cut}"


def tail_signature(cut: int) -> str:
    """Operators [cut, L)."""
    return f"tail_{cut}"
