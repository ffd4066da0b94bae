"""The runner child: a process that owns the networks, so that the front can kill it when it hangs, and survives its death."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from edge.runners.port import Call, Opener, RunnerKey, RunnerLost, Shelf, open_bundle
from models.running.runner import Head, RunnerFailed
from protocol.configuration import EdgeAccelerator
from protocol.errors import DynaSplitError
from protocol.tensors import Array

logger = logging.getLogger(__name__)

_STUCK_AFTER_S = 30.0
"""A call may be asked twice, and a child takes its time to die; after that something is wrong."""


class RunnerProcess:
    """`Runners` in a child process, which the front can kill.

    A call that takes longer than its limit, or whose child dies of it, raises RunnerLost, and a new child is started at
    once. A child that was gone before it took the call is replaced without a word. The child ends when the front does,
    however that ends. Where a head has a limit of its own, the first one at a cut is given `first_head_s` at least: an Edge
    TPU loads its firmware then, and the head onto the chip.
    """

    def __init__(
        self,
        *,
        opener: Opener = open_bundle,
        cache_dir: Path | None = None,
        timeout_s: float = 30.0,
        open_timeout_s: float = 120.0,
        first_head_s: float = 6.0,
    ) -> None:
        self._opener = opener
        self._cache_dir = cache_dir
        self._timeout_s = timeout_s
        self._open_timeout_s = open_timeout_s
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.Lock()
        self._first_head_s = first_head_s
        self._runtimes: dict[RunnerKey, str] = {}
        self._ran: set[tuple[RunnerKey, int]] = set()
        self._child: BaseProcess | None = None
        self._connection: Connection | None = None
        self._taken = _flag(self._context)
        self._closed = False
        self._due_s: float | None = None

    def start(self) -> None:
        """Starts the child; it is ready some hundred milliseconds later, and calls wait for that."""
        with self._lock:
            self._ready()

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        child = self._child
        return child.pid if child else None

    def open(self, key: RunnerKey) -> str:
        with self._lock:
            self._ready()
            if key not in self._runtimes:
                self._runtimes[key] = self._asked(Call("open", key), self._open_timeout_s)
            return self._runtimes[key]

    def head(self, key: RunnerKey, cut: int, inputs: Sequence[Array], *, limit_s: float | None = None) -> Head:
        with self._lock:
            self._ready()
            head: Head = self._asked(Call("head", key, cut, tuple(inputs)), self._limit_s(key, cut, limit_s))
            self._ran.add((key, cut))
            return head

    def tail(self, key: RunnerKey, cut: int, boundary: Sequence[Array]) -> Mapping[str, Array]:
        with self._lock:
            call = Call("tail", key, cut, tuple(boundary))
            outputs: Mapping[str, Array] = self._asked(call, self._timeout_s)
            return outputs

    def release_accelerators(self) -> None:
        self._release(lambda key: key.accelerator is not EdgeAccelerator.OFF)

    def release(self, folder: Path) -> None:
        self._release(lambda key: key.folder == folder)

    def _release(self, wanted: Callable[[RunnerKey], bool]) -> None:
        with self._lock:
            for key in filter(wanted, list(self._runtimes)):
                self._asked(Call("close", key), self._timeout_s)
                self._runtimes.pop(key, None)
                self._ran = {(other, cut) for other, cut in self._ran if other != key}

    def obstacle(self) -> str:
        """A child that has died is replaced on the way, unless a request is just doing so."""
        child = self._child
        if child is not None and not wait([child.sentinel], timeout=0):
            return ""
        if not self._closed and self._lock.acquire(blocking=False):
            try:
                self._ready()
            finally:
                self._lock.release()
        return "what runs the networks has ended, and a new one is being started; ask again"

    def close(self) -> None:
        """Ends the child: by closing its pipe, and by force when it does not listen."""
        with self._lock:
            self._closed = True
            self._end(patience_s=1.0)

    def _limit_s(self, key: RunnerKey, cut: int, limit_s: float | None) -> float:
        if limit_s is None:
            return self._timeout_s
        return min(self._timeout_s, limit_s if (key, cut) in self._ran else max(limit_s, self._first_head_s))

    @property
    def stuck(self) -> bool:
        """Whether a call goes on long after its limit: then the child cannot even be killed, as in a kernel call that hangs."""
        due_s = self._due_s
        return due_s is not None and time.monotonic() > due_s

    def _asked(self, call: Call, timeout_s: float) -> Any:
        self._due_s = time.monotonic() + timeout_s + _STUCK_AFTER_S
        try:
            return self._answered(call, timeout_s)
        finally:
            self._due_s = None

    def _answered(self, call: Call, timeout_s: float) -> Any:
        """The child's answer. That a child died between calls may show only when the pipe breaks: then a new one is asked."""
        try:
            answer = self._exchanged(call, timeout_s)
        except _PipeBroke:
            logger.warning("the runner was gone before %s; starting a new one", call)
            self._end(patience_s=0.2)
            try:
                answer = self._exchanged(call, timeout_s)
            except _PipeBroke as again:
                raise self._lost(f"the runner died before {call}", patience_s=0.2) from again
        if isinstance(answer, DynaSplitError):
            raise answer
        return answer

    def _exchanged(self, call: Call, timeout_s: float) -> Any:
        """One call and its answer; _PipeBroke when the child had not taken the call yet, RunnerLost when it had."""
        connection = self._ready()
        self._taken.value = False
        try:
            send(connection, call)
            answered = connection.poll(timeout_s)
            answer = receive(connection) if answered else None
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            if not self._taken.value:
                raise _PipeBroke from error
            raise self._lost(f"the runner died during {call}", patience_s=0.2) from error
        if not answered:
            raise self._lost(f"{call} took longer than {timeout_s:g} s, so the runner was killed", patience_s=0.0)
        return answer

    def _lost(self, what: str, *, patience_s: float) -> RunnerLost:
        child = self._child
        self._end(patience_s=patience_s)
        code = f" (exit code {child.exitcode})" if child else ""
        logger.error("%s%s; starting a new one", what, code)
        self._start()
        return RunnerLost(f"{what}{code}; a new one was started")

    def _ready(self) -> Connection:
        """The pipe to a child that lives."""
        if self._closed:
            raise RunnerFailed("the runner is closed; the agent is ending")
        if self._child is None or self._connection is None or not self._child.is_alive():
            self._end(patience_s=0.0)
            return self._start()
        return self._connection

    def _start(self) -> Connection:
        front, back = self._context.Pipe()
        self._taken = _flag(self._context)
        self._child = self._context.Process(
            target=serve, args=(back, self._taken, self._opener, self._cache_dir), name="runner", daemon=True
        )
        self._child.start()
        back.close()
        self._connection = front
        return front

    def _end(self, *, patience_s: float) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._child is not None:
            self._child.join(patience_s)
            if self._child.is_alive():
                self._child.kill()
                self._child.join()
        self._child = self._connection = None
        self._runtimes.clear()
        self._ran.clear()


class _PipeBroke(Exception):
    """The child was gone before it took a call, so that the call may be sent again."""


def _flag(context: SpawnContext) -> ctypes.c_bool:
    """A bool in memory that the child shares. Through the pipe it would cost each call a change of process more."""
    flag: ctypes.c_bool = context.RawValue(ctypes.c_bool, False)
    return flag


def serve(connection: Connection, taken: ctypes.c_bool, opener: Opener, cache_dir: Path | None) -> None:
    """The child's life: answers calls until the front closes the pipe or dies. `taken` tells the front that it has a call."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_front, daemon=True).start()
    shelf = Shelf(opener, cache_dir)
    try:
        while True:
            call = receive(connection)
            taken.value = True
            send(connection, _answer(shelf, call))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        shelf.close()


def _answer(shelf: Shelf, call: Call) -> Any:
    try:
        return shelf.answer(call)
    except DynaSplitError as error:
        return error


def _end_with_the_front() -> None:
    """Also when a call hangs in native code and nobody reads the pipe: a child without its front is of no use."""
    front = multiprocessing.parent_process()
    if front is not None:
        wait([front.sentinel])
        os._exit(1)


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
