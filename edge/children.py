"""What the agent's children are given of its surroundings."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def environment() -> dict[str, str]:
    """The same modules as here, and none of the agent's settings, tokens among them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DYNASPLIT_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
