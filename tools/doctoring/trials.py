"""Runs the trial of a library in a child with a deadline, and says how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_MODULE = "tools.doctoring.delegate_trial"
_DEADLINE_S = 20.0
"""A TPU loads its firmware when it is first opened, and a Pi its libraries from a slow card."""
_KILLED_WITHIN_S = 1.0


@dataclass(frozen=True)
class Trial:
    """What the library calls itself, and why it cannot be used ("": it can)."""

    runtime: str
    obstacle: str


def try_library(library: Path, *, opens: bool, device: str = "", deadline_s: float = _DEADLINE_S) -> Trial:
    """Whether the library can be loaded, and with `opens` whether it opens the TPU with this LiteRT."""
    operation = ["open", device] if opens else ["look"]
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", _MODULE, str(library), *operation],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
    )
    try:
        said, _ = child.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        _end(child)
        return Trial("", f"{library} hangs: no answer within {deadline_s:g} s")
    return _judged(library, child.returncode, said)


def _judged(library: Path, code: int, said: bytes) -> Trial:
    if code < 0:
        return Trial("", f"{library} crashes with this LiteRT ({_signal(-code)})")
    try:
        told = json.loads(said.splitlines()[-1])
        return Trial(str(told["runtime"]), str(told["error"]))
    except (ValueError, LookupError, TypeError):
        return Trial("", f"{library} ends the process that loads it (exit code {code})")


def _end(child: subprocess.Popen[bytes]) -> None:
    """One that hangs in the kernel outlives even this, and is left to it."""
    child.kill()
    if child.stdout:
        child.stdout.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_KILLED_WITHIN_S)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
