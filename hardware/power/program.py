"""One run of a program whose output tells the power."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import IO, Protocol

_MOST_BYTES = 65_536
"""What a pipe holds: a program that writes more stops there, and is ended when its time is up."""

_ENDS_WITHIN_S = 0.5

_OURS = "DYNASPLIT_"
"""Settings of the agent, tokens among them, which are nobody else's business."""


class Program(Protocol):
    """A program that was started. Nothing here waits."""

    def ended(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        ...

    def output(self) -> str:
        """What it printed, once it ended."""
        ...

    def complaint(self) -> str:
        """The last line that it wrote, to standard error if there is one, once it ended; "" for none."""
        ...

    def end(self) -> None:
        """Ends it, with what it started, and leaves no zombie. Safe to call at any time."""
        ...


Start = Callable[[Sequence[str]], Program]
"""Starts a program from its arguments; raises OSError when there is none."""


class ChildProgram:
    """A real program, in a session of its own, without a shell, without input, and without the agent's settings."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
        )
        self._output, self._errors = "", ""

    def ended(self) -> int | None:
        if self._process.returncode is None and self._has_exited():
            self._reap()
        return self._process.returncode

    def output(self) -> str:
        return self._output

    def complaint(self) -> str:
        lines = (self._errors.strip() or self._output.strip()).splitlines()
        return lines[-1].strip() if lines else ""

    def end(self) -> None:
        if self._process.returncode is None:
            self._reap()

    def _has_exited(self) -> bool:
        """Without taking it away yet: as long as it is there, its number is nobody else's."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _reap(self) -> None:
        """Ends what is left of it and what it started. One that runs as another user may not be ended by us, and is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDS_WITHIN_S)
        self._collect()

    def _collect(self) -> None:
        """What is in the pipes. A grandchild may hold them open, so their end is not waited for."""
        self._output += _drained(self._process.stdout)
        self._errors += _drained(self._process.stderr)


def _drained(pipe: IO[bytes] | None) -> str:
    if pipe is None or pipe.closed:
        return ""
    os.set_blocking(pipe.fileno(), False)
    with pipe:
        return (pipe.read(_MOST_BYTES) or b"").decode(errors="replace")
