"""Packages that one bench needs and the others have no use for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from protocol.errors import ServiceMissing


@contextmanager
def needing_all(why: str) -> Iterator[None]:
    """For imports of what only comes with the demo's packages: ServiceMissing that names the one that is missing, and why."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ServiceMissing(
            f"package '{missing.name}' is missing: {why}; install them: pip install -c constraints.txt '.[demo]'"
        ) from missing
