"""What LiteRT writes to stderr when it opens is dropped, and nothing else for long."""

from __future__ import annotations

import os
from contextlib import ExitStack

from models.running.native_log import native_messages

_STDERR = 2


def shown() -> tuple[int, int]:
    """Where what is written to stderr goes."""
    found = os.fstat(_STDERR)
    return found.st_dev, found.st_ino


def test_the_process_speaks_again_when_the_last_of_several_has_opened(capfd):
    before = shown()

    with ExitStack() as first, ExitStack() as second:
        first.enter_context(native_messages())
        second.enter_context(native_messages())
        first.close()
        still = shown()
        os.write(_STDERR, b"from the library")
        second.close()
        after = shown()
    os.write(_STDERR, b"from us")

    assert (still != before, after == before) == (True, True)
    assert capfd.readouterr().err == "from us"
