"""A measurement in a process of its own that is asked again and again: what takes turns meets the machine in the same state.

python -m tools.benches.companion MODULE:FACTORY  < arguments, then questions, a line of JSON each  > an answer to each
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Self, cast

from models.running.runner import RunnerFailed
from protocol.errors import DynaSplitError
from tools.benches.isolated import ROOT

_END_S = 10.0


class Companion:
    """What `make(**arguments)` returns, in a new process that ends with the block. For one thread.

    Arguments and answers are values that JSON can hold. RunnerFailed for what breaks there.
    """

    def __init__(self, make: Callable[..., Callable[..., Any]], **arguments: Any) -> None:
        self._name = f"{make.__module__}:{make.__name__}"
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it is open as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, self._name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._send(arguments)

    def begin(self, **question: Any) -> None:
        """It starts to work on a question; `answer` waits for what comes of it."""
        self._send(question)

    def answer(self) -> Any:
        """To the question before."""
        line = cast(IO[str], self._process.stdout).readline()
        if not line:
            raise RunnerFailed(f"{self._name} ended: {self._last_words()}")
        told = json.loads(line)
        if "error" in told:
            raise RunnerFailed(f"{self._name}: {told['error']}")
        return told["result"]

    def ask(self, **question: Any) -> Any:
        """The answer to a question."""
        self.begin(**question)
        return self.answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._complaints.close()

    def _send(self, content: dict[str, Any]) -> None:
        asked = cast(IO[str], self._process.stdin)
        try:
            asked.write(json.dumps(content) + "\n")
            asked.flush()
        except BrokenPipeError:
            raise RunnerFailed(f"{self._name} ended: {self._last_words()}") from None

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines() or ["it said nothing"]
        return f"{lines[-1]:.200}"


def _main() -> int:
    module, _, factory = sys.argv[1].partition(":")
    measure: Callable[..., Any] | None = None
    for line in sys.stdin:
        given = json.loads(line)
        try:
            if measure is None:
                measure = getattr(importlib.import_module(module), factory)(**given)
                continue
            told = {"result": measure(**given)}
        except DynaSplitError as error:
            told = {"error": str(error)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
