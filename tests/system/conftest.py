"""Runs `dynasplit demo` as a user does: as a process, watched through what it prints and writes."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

DEMO_DEADLINE_S = 240.0
DYNASPLIT = str(Path(sys.executable).with_name("dynasplit"))


class Demo:
    """One run of the demo in `folder`; `relative`: it is called from there, with paths relative to it."""

    def __init__(self, folder: Path, *arguments: str, relative: bool = False) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.json = folder / "result.json"
        paths = (path.relative_to(folder) if relative else path for path in (self.data, self.json))
        data, json_file = map(str, paths)
        command = [DYNASPLIT, "demo", "--data", data, "--json", json_file, *arguments]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder if relative else None
        )
        self.printed: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, text: str, *, timeout_s: float = DEMO_DEADLINE_S) -> None:
        """Returns once a printed line holds `text`."""
        deadline = time.monotonic() + timeout_s
        while not any(text in line for line in self.printed):
            line = self._lines.get(timeout=max(0.1, deadline - time.monotonic()))
            assert line is not None, f"the demo ended without printing {text!r}: {''.join(self.printed)}"
            self.printed.append(line)

    def wait(self) -> int:
        """The exit code."""
        code = self.process.wait(DEMO_DEADLINE_S)
        while (line := self._lines.get(timeout=10)) is not None:
            self.printed.append(line)
        return code

    @property
    def text(self) -> str:
        return "".join(self.printed)

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads(self.json.read_text())

    @property
    def stack(self) -> dict[str, Any]:
        """Who runs where: pids and ports."""
        return json.loads((self.data / "stack.json").read_text())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def kill_service(self, name: str) -> None:
        """Kills a service and all that it started, at once."""
        os.killpg(self.stack["pids"][name], signal.SIGKILL)

    def left_behind(self) -> list[str]:
        """What still runs or listens although the demo has ended."""
        processes = [process for process in psutil.process_iter(["cmdline"]) if self._is_ours(process)]
        ports = [f"{name} on {port}" for name, port in self.stack["ports"].items() if _listening(port)]
        return [" ".join(process.info["cmdline"]) for process in processes] + ports

    def wait_until_nothing_is_left(self) -> None:
        deadline = time.monotonic() + 30
        while left := self.left_behind():
            assert time.monotonic() < deadline, left
            time.sleep(0.1)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("DYNASPLIT_DATA_DIR", "").startswith(str(self.data))
        except psutil.Error:
            return False


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos; whatever is still up in the end is interrupted."""
    demos: list[Demo] = []

    def start(*arguments: str) -> Demo:
        demos.append(Demo(tmp_path, *arguments))
        return demos[-1]

    yield start
    for demo in demos:
        end(demo)


def end(demo: Demo) -> None:
    if demo.process.poll() is None:
        demo.interrupt()
        demo.process.wait(60)
    for stream in (demo.process.stderr, demo.process.stdout):
        assert stream
        stream.close()


@pytest.fixture(scope="module")
def running_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that has served its requests and stays up."""
    demo = Demo(tmp_path_factory.mktemp("demo"), "--requests", "20", "--keep-running")
    try:
        demo.wait_for("Ctrl-C")
        yield demo
    finally:
        end(demo)


@pytest.fixture(scope="module")
def demo_without_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """What came of a demo whose ingest was killed before the table was pushed, and whose backend while requests were served.

    It is called with relative paths, from a folder where other things have the names of the project's packages.
    """
    folder = tmp_path_factory.mktemp("without")
    for name in ("cloud", "tools", "edge"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    demo = Demo(folder, "--requests", "25", relative=True)
    try:
        for told, service in (("profiled", "ingest"), ("serving", "backend")):
            demo.wait_for(told)
            demo.kill_service(service)
        assert demo.wait() == 0, demo.text
        yield demo
    finally:
        end(demo)


@pytest.fixture(scope="module")
def demo_without_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """What came of a demo where the agent and all that carries telemetry were killed while requests were served."""
    demo = Demo(tmp_path_factory.mktemp("without"), "--requests", "20")
    try:
        demo.wait_for("serving")
        for service in ("ingest", "broker", "agent"):
            demo.kill_service(service)
        assert demo.wait() == 0, demo.text
        yield demo
    finally:
        end(demo)
