"""The runner child's process: `python -m edge.runners.child PIPE TAKEN`, two file descriptors.

It is no child of `multiprocessing`, which would import the agent's main module into it and start a third process beside it. What
runs networks is imported when the front says what that is: until a bundle is there, the child takes next to nothing. Its stdin
stays open as long as the front lives.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from edge.runners.pipe import receive, send
from protocol.errors import DynaSplitError

if TYPE_CHECKING:
    from edge.runners.port import Call, Shelf


def main(pipe: int, taken: int) -> int:
    """Answers calls until the front closes the pipe or dies. The byte behind `taken` tells the front that it has a call."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_front, daemon=True).start()
    connection, has_call = Connection(pipe), mmap.mmap(taken, 1)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(connection, has_call, *receive(connection))
    return 0


def _serve(connection: Connection, has_call: mmap.mmap, opener: Any, cache_dir: Any) -> None:
    from edge.runners.port import Shelf  # with it comes what runs networks

    shelf = Shelf(opener, cache_dir)
    try:
        while True:
            call = receive(connection)
            has_call[0] = True
            send(connection, _answer(shelf, call))
    finally:
        shelf.close()


def _answer(shelf: Shelf, call: Call) -> Any:
    try:
        return shelf.answer(call)
    except DynaSplitError as error:
        return error


def _end_with_the_front() -> None:
    """Also when a call hangs in native code and nobody reads the pipe: a child without its front is of no use."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
