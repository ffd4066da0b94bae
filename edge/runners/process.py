"""The runner child: a process that owns the networks, so that the front can kill it when it hangs, and survives its death."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from edge.children import environment
from edge.runners.pipe import receive, send
from edge.runners.port import RUNNERS_KEPT, Call, Kept, Opener, RunnerKey, RunnerLost, open_bundle
from models.running.runner import Head, RunnerFailed
from protocol.configuration import EdgeAccelerator
from protocol.errors import DynaSplitError
from protocol.tensors import Array

logger = logging.getLogger(__name__)

_CHILD = "edge.runners.child"

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
        kept: int = RUNNERS_KEPT,
    ) -> None:
        self._opener = opener
        self._cache_dir = cache_dir
        self._timeout_s = timeout_s
        self._open_timeout_s = open_timeout_s
        self._lock = threading.Lock()
        self._first_head_s = first_head_s
        self._runtimes: dict[RunnerKey, str] = {}
        self._opened = Kept(kept)
        self._ran: set[tuple[RunnerKey, int]] = set()
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._taken = mmap.mmap(-1, 1)
        self._knows = self._needed = False
        self._closed = False
        self._due_s: float | None = None

    def start(self) -> None:
        """Starts the child. What runs networks is loaded with the first of them, or at once where it takes another one's place."""
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
            for key in filter(wanted, self._opened):
                self._asked(Call("close", key), self._timeout_s)
                self._opened.forget(key)
                self._forget(key)

    def _forget(self, key: RunnerKey) -> None:
        self._runtimes.pop(key, None)
        self._ran = {(other, cut) for other, cut in self._ran if other != key}

    def obstacle(self) -> str:
        """A child that has died is replaced on the way, unless a request is just doing so."""
        child = self._child
        if child is not None and child.poll() is None:
            return ""
        if not self._closed and self._lock.acquire(blocking=False):
            try:
                self._ready()
            except RunnerLost as lost:
                return str(lost)
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
            if call.operation != "close":
                self._make_place(call.key)
            return self._answered(call, timeout_s)
        finally:
            self._due_s = None

    def _make_place(self, key: RunnerKey) -> None:
        """Also for a head, in a child that took another one's place."""
        for oldest in self._opened.use(key):
            self._answered(Call("close", oldest), self._timeout_s)
            self._forget(oldest)

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
        if call.operation != "close":
            self._opened.use(call.key)  # a child that took another one's place opens it too
        self._taken[0] = False
        try:
            self._tell(connection)
            send(connection, call)
            answered = connection.poll(timeout_s)
            answer = receive(connection) if answered else None
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            if not self._taken[0]:
                raise _PipeBroke from error
            raise self._lost(f"the runner died during {call}", patience_s=0.2) from error
        if not answered:
            raise self._lost(f"{call} took longer than {timeout_s:g} s, so the runner was killed", patience_s=0.0)
        return answer

    def _lost(self, what: str, *, patience_s: float) -> RunnerLost:
        child = self._child
        self._end(patience_s=patience_s)
        code = f" (exit code {child.returncode})" if child else ""
        logger.error("%s%s; starting a new one", what, code)
        try:
            self._start()
        except RunnerLost as lost:
            return RunnerLost(f"{what}{code}; {lost}")
        return RunnerLost(f"{what}{code}; a new one was started")

    def _ready(self) -> Connection:
        """The pipe to a child that lives. Raises RunnerLost where none can be started now."""
        if self._closed:
            raise RunnerFailed("the runner is closed; the agent is ending")
        if self._child is None or self._connection is None or self._child.poll() is not None:
            self._end(patience_s=0.0)
            return self._start()
        return self._connection

    def _start(self) -> Connection:
        try:
            self._child, front = self._spawned()
        except OSError as error:
            raise RunnerLost(
                f"what runs the networks cannot be started: {error}; the next request tries it again"
            ) from error
        self._connection, self._knows = front, False
        if self._needed:
            with contextlib.suppress(OSError):  # it died at once, which shows when it is asked
                self._tell(front)
        return front

    def _spawned(self) -> tuple[subprocess.Popen[bytes], Connection]:
        with contextlib.ExitStack() as mine:
            front, back = Pipe()
            mine.callback(back.close)
            flag = os.memfd_create("taken")
            mine.callback(os.close, flag)
            os.ftruncate(flag, 1)
            self._taken = mmap.mmap(flag, 1)
            descriptors = (back.fileno(), flag)
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", _CHILD, *map(str, descriptors)],
                stdin=subprocess.PIPE,
                pass_fds=descriptors,
                process_group=0,  # an interrupt from the keyboard is for the front alone
                env=environment(),
            )
        return child, front

    def _tell(self, connection: Connection) -> None:
        """What the child runs: it begins to load that now, once and for all."""
        if not self._knows:
            send(connection, (self._opener, self._cache_dir))
            self._knows = self._needed = True

    def _end(self, *, patience_s: float) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._child is not None:
            _awaited(self._child, patience_s)
        self._child = self._connection = None
        self._runtimes.clear()
        self._opened.clear()
        self._ran.clear()


def _awaited(child: subprocess.Popen[bytes], patience_s: float) -> None:
    """Its end, by force when it takes longer than that."""
    try:
        child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin:
        child.stdin.close()


class _PipeBroke(Exception):
    """The child was gone before it took a call, so that the call may be sent again."""
