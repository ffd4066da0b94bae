"""The least that a server in a process of its own can do: take a body off its socket, run the tail on it, send as many bytes.

python -m tools.benches.cloud.least BUNDLE CUT CACHE HEAD_BYTES ANSWER_BYTES  > the port that it listens at
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np

from models.bundle import Bundle
from models.running.runner import RunnerFailed
from models.running.runner_choice import open_runner
from protocol.tensors import Array
from tools.benches.cloud.bare import boundary
from tools.benches.isolated import ROOT
from tools.benches.loopback import Caller


@contextmanager
def least_server(bundle: str, cut: int, cache: str, *, head_bytes: int, answer_bytes: int) -> Iterator[Caller]:
    """A connection to one that ends with the block; what it is sent is a head of so many bytes, then the boundary."""
    command = [sys.executable, "-m", __name__, bundle, str(cut), cache, str(head_bytes), str(answer_bytes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        port = cast(IO[str], server.stdout).readline()
        if not port:
            raise RunnerFailed("the least server did not start; what it complained of stands above")
        with Caller(int(port)) as caller:
            yield caller
    finally:
        server.kill()
        server.communicate()


def _serve(
    connection: socket.socket, run: Callable[[Array], object], given: Array, head_bytes: int, answer: bytes
) -> None:
    received = memoryview(bytearray(head_bytes + given.nbytes))
    while True:
        have = 0
        while have < len(received):
            got = connection.recv_into(received[have:])
            if not got:
                return
            have += got
        run(np.frombuffer(received[head_bytes:], dtype=given.dtype).reshape(given.shape))
        connection.sendall(answer)


def _main(bundle: str, cut: int, cache: str, head_bytes: int, answer_bytes: int) -> None:
    opened = Bundle.open(Path(bundle))
    runner = open_runner(opened, cache_dir=Path(cache))
    (given,) = boundary(opened.manifest, cut)
    runner.tail(cut, [given])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        connection, _ = listening.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _serve(connection, lambda array: runner.tail(cut, [array]), given, head_bytes, bytes(answer_bytes))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
