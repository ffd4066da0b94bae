"""How the kernel says no."""

from __future__ import annotations

import os
from pathlib import Path


def refusal(number: int, path: Path) -> OSError:
    """The error that a call on `path` ends with; `number` is one of `errno`."""
    return OSError(number, os.strerror(number), str(path))
