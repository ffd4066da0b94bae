"""How front and runner child send each other values."""

from __future__ import annotations

import pickle
from multiprocessing.connection import Connection
from typing import Any


def send(connection: Connection, value: Any) -> None:
    """Pickles with the arrays' bytes out of band (PEP 574): they go from the array into the pipe without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    connection.send_bytes(len(buffers).to_bytes(4, "little") + head)
    for buffer in buffers:
        connection.send_bytes(buffer.raw())


def receive(connection: Connection) -> Any:
    """The counterpart of `send`; arrays refer to the bytes received, which nobody else holds."""
    head = memoryview(connection.recv_bytes())
    count = int.from_bytes(head[:4], "little")
    return pickle.loads(head[4:], buffers=[connection.recv_bytes() for _ in range(count)])  # noqa: S301 - our own child
