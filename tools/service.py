"""A process of the stack: started in a session of its own, and ended with all that it left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from protocol.errors import ServiceMissing

STOP_TIMEOUT_S = 10.0


@dataclass
class Service:
    """One process of the stack."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = _spawn(self.command, self.environment, log, folder=self.log.parent)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def has_ended(self, *, patience_s: float) -> bool:
        """Whether the process has ended, or does so within `patience_s`: a killed one still takes a moment."""
        try:
            return self.process is None or self.process.wait(patience_s) is not None
        except subprocess.TimeoutExpired:
            return False

    def check(self) -> None:
        """ServiceMissing, with the last line of its log, when the process has ended."""
        if self.running:
            return
        code = self.process.returncode if self.process else None
        raise ServiceMissing(f"{self.name} ended (exit code {code}): {_last_line(self.log)}; see {self.log}")

    def ask_to_stop(self) -> None:
        if self.process and self.running:
            self.process.terminate()

    def ensure_stopped(self) -> None:
        """Waits for the process, kills it when it takes too long, and with it what it may have left in its session."""
        if not self.process:
            return
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _kill_session(self.process.pid)


def _spawn(
    command: list[str], environment: Mapping[str, str], log: IO[bytes], *, folder: Path
) -> subprocess.Popen[bytes]:
    """Starts a command in a session of its own, so that Ctrl-C reaches this process alone, which then stops all in order.

    It runs in a folder of ours, where Python does not look for modules: what lies where the user stands shadows nothing.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "tools.supervised", *command],
        cwd=folder,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings of DynaSplit or a database that belong to something else."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DYNASPLIT_") and name != "DATABASE_URL"
    }
    return own | {"PYTHONSAFEPATH": "1"} | dict(extra)


def _kill_session(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    ours = [line for line in lines if line.startswith("dynasplit")]
    return (ours or lines or ["it printed nothing"])[-1].strip()
