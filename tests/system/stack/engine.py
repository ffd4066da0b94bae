"""A Docker engine of our own, with its data, socket and namespaces: nothing of it is seen on this machine, or outlives it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_START_S = 60.0
_POLL_S = 0.1
_CLONE_NEWNET = 0x40000000
_NO_NETWORK = ("--bridge=none", "--iptables=false", "--ip-forward=false")


def needed() -> None:
    """Skips, with the command that helps, where no engine can be started."""
    packages = {
        "dockerd": "docker.io",
        "docker-compose": "docker-compose",
        "iptables": "iptables",
        "mmdebstrap": "mmdebstrap",
    }
    missing = [package for program, package in packages.items() if not _program(program)]
    if missing:
        pytest.skip(f"no container engine here: apt-get install {' '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("only root can start a container engine: sudo -E .venv/bin/pytest")


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


class Engine:
    """dockerd on a folder. It can run in this machine's network, to build, or in one of its own, to run."""

    process_id: int
    """While it is up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = os.environ | {
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(folder / "config"),
            "COMPOSE_PROJECT_NAME": "dynasplit",
        }

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Up, in this machine's network and without one for containers: builds take `--network host`."""
        with self._up(["--mount", "--pid"], _NO_NETWORK):
            yield

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Up, in a network of its own."""
        with self._up(["--net", "--mount", "--pid"], ()):
            yield

    def docker(self, *arguments: str, timeout_s: float = 60.0) -> str:
        """What a command of docker's prints."""
        command = ["docker", *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    @contextlib.contextmanager
    def _up(self, namespaces: Sequence[str], options: Sequence[str]) -> Iterator[None]:
        """The engine is process 1 of a namespace: when it ends, all that runs under it does."""
        place = self._folder
        place.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place / "exec", ignore_errors=True)
        for stale in ("docker.pid", "docker.sock"):
            (place / stale).unlink(missing_ok=True)
        places = ["--host", f"unix://{place}/docker.sock", "--data-root", str(place / "data")]
        places += ["--exec-root", str(place / "exec"), "--pidfile", str(place / "docker.pid")]
        dockerd = [str(_program("dockerd")), *places, *options]
        inside = 'ip link set lo up 2>/dev/null || true; exec "$@"'
        command = [
            "setpriv",
            "--pdeathsig=KILL",
            "unshare",
            *namespaces,
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            inside,
            "sh",
            *dockerd,
        ]
        with (place / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self._wait_until_it_answers(process)
            self.process_id = _only_child(process.pid)
            yield
        finally:
            _end(process)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        asked = ["docker", "version"]
        while subprocess.run(asked, env=self.environment, capture_output=True, check=False).returncode:
            said = (self._folder / "log").read_text(errors="replace")[-3000:]
            assert process.poll() is None, f"dockerd ended: {said}"
            assert time.monotonic() < deadline, f"dockerd does not answer: {said}"
            time.sleep(_POLL_S)


def _only_child(process_id: int) -> int:
    return int(Path(f"/proc/{process_id}/task/{process_id}/children").read_text())


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.kill(_only_child(process.pid), signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


@contextlib.contextmanager
def in_network_of(process_id: int) -> Iterator[None]:
    """This thread, and those and the processes that it starts, are in another process's network meanwhile (setns(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as ours, Path(f"/proc/{process_id}/ns/net").open() as theirs:
        _enter(libc, theirs.fileno())
        try:
            yield
        finally:
            _enter(libc, ours.fileno())


def _enter(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
