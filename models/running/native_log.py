"""LiteRT writes some thirty lines to the process's stderr whenever it opens, and offers no switch."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

logger = logging.getLogger(__name__)

_STDERR = 2


@contextmanager
def native_messages() -> Iterator[None]:
    """Drops what is written to stderr meanwhile, by other threads too: hold it around opening only, not around the runs of
    a process that does more.

    Nothing is dropped while this logger is at DEBUG, which is how to see why the library refuses something.
    """
    if logger.isEnabledFor(logging.DEBUG):
        yield
        return
    if not _STANDARD_ERROR.silence():
        yield
        return
    _stay_quiet_at_exit()
    try:
        yield
    except KeyboardInterrupt as interruption:
        # Frames that were left keep the library open, which has its say when it closes.
        traceback.clear_frames(interruption.__traceback__)
        raise
    finally:
        _STANDARD_ERROR.let_speak()


class _StandardError:
    """The process's own. Thread-safe: of several who silence it the first does, and the last lets it speak again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._kept = -1

    def silence(self) -> bool:
        """False where the process has none."""
        with self._lock:
            if not self._holders:
                try:
                    self._kept = os.dup(_STDERR)
                except OSError:
                    return False
                _silence()
            self._holders += 1
            return True

    def let_speak(self) -> None:
        with self._lock:
            self._holders -= 1
            if not self._holders:
                os.dup2(self._kept, _STDERR)
                os.close(self._kept)


_STANDARD_ERROR = _StandardError()


@cache
def _stay_quiet_at_exit() -> None:
    """The library says which accelerators it takes down after Python's own last word."""
    atexit.register(_silence)


def _silence() -> None:
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
