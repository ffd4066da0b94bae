"""Running heads and tails of the bundles on this device: the port, what answers a call, and the one in this process."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from models.bundle import Bundle
from models.running.edgetpu_runner import EdgeTpuLibraries
from models.running.runner import FakeRunner, Head, Runner, RunnerFailed
from models.running.runner_choice import open_runner
from protocol.configuration import EdgeAccelerator
from protocol.errors import DynaSplitError
from protocol.tensors import Array

logger = logging.getLogger(__name__)

RUNNERS_KEPT = 4
"""How many stay open on the CPU, and as many on accelerators: one kind shall not push out the other between two requests."""


class RunnerLost(DynaSplitError, ConnectionError):
    """What runs the networks died or hung. A new one is there for the next request."""

    http_status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class RunnerKey:
    """Which runner: a bundle's folder (named by its digest), a number of threads, and the accelerator for its heads."""

    folder: Path
    threads: int
    accelerator: EdgeAccelerator = EdgeAccelerator.OFF


@dataclass(frozen=True)
class Call:
    """`open`, `head`, `tail` or `close` of a runner, with the arrays that go in."""

    operation: str
    key: RunnerKey
    cut: int = 0
    arrays: tuple[Array, ...] = ()

    def __str__(self) -> str:
        if self.operation in _ON_BUNDLES:
            return _ON_BUNDLES[self.operation]
        on = "" if self.key.accelerator is EdgeAccelerator.OFF else f" on accelerator {self.key.accelerator}"
        return f"the {self.operation} at cut {self.cut}{on}"


_ON_BUNDLES = {"open": "opening the bundle", "close": "closing the bundle"}

Opener = Callable[[RunnerKey, Path | None], Runner]
"""Opens a runner; takes the folder for weight caches. It may be sent to another process by its name, so no lambda."""


@dataclass(frozen=True)
class BundleOpener:
    """The real opener; `edgetpu` are the libraries of accelerators."""

    edgetpu: EdgeTpuLibraries = field(default_factory=EdgeTpuLibraries)

    def __call__(self, key: RunnerKey, cache_dir: Path | None) -> Runner:
        return open_runner(
            Bundle.open(key.folder),
            threads=key.threads,
            cache_dir=cache_dir,
            accelerator=key.accelerator,
            edgetpu=self.edgetpu,
        )


open_bundle: Opener = BundleOpener()
"""With the libraries where they usually lie."""


def open_fake(key: RunnerKey, cache_dir: Path | None) -> Runner:  # noqa: ARG001 - the fake has no weights
    """Opens the fake of a bundle's network: the shapes of the real one, in no time."""
    return FakeRunner(Bundle.open(key.folder).manifest)


class Runners(Protocol):
    """Heads and tails of any bundle that is here. May be called from any thread; one call runs at a time.

    What a runner raises goes through (InvalidInput, NotFound, RunnerFailed, AcceleratorFailed); RunnerLost when what runs it
    died.
    """

    def open(self, key: RunnerKey) -> str:
        """Makes sure that a bundle is open, and tells its runtime. Costs nothing when it is."""
        ...

    def head(self, key: RunnerKey, cut: int, inputs: Sequence[Array], *, limit_s: float | None = None) -> Head:
        """As `Runner.head`. What takes longer than `limit_s` has hung, where that can be told (None: the usual limit);
        the first head at a cut may take longer, since it is opened."""
        ...

    def tail(self, key: RunnerKey, cut: int, boundary: Sequence[Array]) -> Mapping[str, Array]:
        """As `Runner.tail`."""
        ...

    def release_accelerators(self) -> None:
        """Closes what is open on accelerators, so that they may lose their power. It is opened again when it is needed."""
        ...

    def obstacle(self) -> str:
        """Why nothing can be run now, "" when it can. Answers at once, whatever runs or hangs."""
        ...

    def release(self, folder: Path) -> None:
        """Closes what is open of a bundle's folder, so that its files may go."""
        ...

    def close(self) -> None:
        """Gives everything back. Calls after it raise RunnerFailed."""
        ...


class Kept:
    """Which runners are open, the least recently used first. Who sends calls keeps it, and so knows at any time what a call would
    have to open first: that belongs to no head."""

    def __init__(self, most: int = RUNNERS_KEPT) -> None:
        self._most = most
        self._keys: OrderedDict[RunnerKey, None] = OrderedDict()

    def __iter__(self) -> Iterator[RunnerKey]:
        return iter(tuple(self._keys))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def use(self, key: RunnerKey) -> list[RunnerKey]:
        """Notes that it is open from now on; what has to be closed before."""
        if key in self._keys:
            self._keys.move_to_end(key)
            return []
        alike = [other for other in self._keys if _on_cpu(other) == _on_cpu(key)]
        surplus = alike[: max(0, len(alike) - self._most + 1)]
        for oldest in surplus:
            del self._keys[oldest]
        self._keys[key] = None
        return surplus

    def forget(self, key: RunnerKey) -> None:
        """It is closed."""
        self._keys.pop(key, None)

    def clear(self) -> None:
        """All are."""
        self._keys.clear()


class Shelf:
    """Open runners; answers calls, and closes what it is told to. For one thread at a time."""

    def __init__(self, opener: Opener, cache_dir: Path | None) -> None:
        self._opener = opener
        self._cache_dir = cache_dir
        self._runners: dict[RunnerKey, Runner] = {}

    def answer(self, call: Call) -> Any:
        """The runtime's name, a Head, or outputs by name. Raises DynaSplitErrors only."""
        try:
            if call.operation == "close":
                return self._close(call.key)
            runner = self._runner(call.key)
            if call.operation == "open":
                return runner.runtime
            if call.operation == "head":
                return runner.head(call.cut, call.arrays)
            return dict(runner.tail(call.cut, call.arrays))
        except DynaSplitError:
            raise
        except Exception as error:  # runtimes raise anything; it must reach the caller as one of ours
            logger.exception("%s failed", call)
            raise RunnerFailed(f"{call} failed: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        while self._runners:
            self._runners.popitem()[1].close()

    def _close(self, key: RunnerKey) -> None:
        if key in self._runners:
            self._runners.pop(key).close()

    def _runner(self, key: RunnerKey) -> Runner:
        if key not in self._runners:
            self._runners[key] = self._opener(key, self._cache_dir)
        return self._runners[key]


def _on_cpu(key: RunnerKey) -> bool:
    return key.accelerator is EdgeAccelerator.OFF


class RunnersHere:
    """`Runners` in this very process: nothing to kill, nothing that survives. For tests, and where nothing can hang."""

    def __init__(
        self, *, opener: Opener = open_bundle, cache_dir: Path | None = None, kept: int = RUNNERS_KEPT
    ) -> None:
        self._shelf = Shelf(opener, cache_dir)
        self._kept = Kept(kept)
        self._lock = threading.Lock()
        self._closed = False

    def open(self, key: RunnerKey) -> str:
        return str(self._answer(Call("open", key)))

    def head(self, key: RunnerKey, cut: int, inputs: Sequence[Array], *, limit_s: float | None = None) -> Head:
        del limit_s  # nothing here can be stopped
        head: Head = self._answer(Call("head", key, cut, tuple(inputs)))
        return head

    def tail(self, key: RunnerKey, cut: int, boundary: Sequence[Array]) -> Mapping[str, Array]:
        outputs: Mapping[str, Array] = self._answer(Call("tail", key, cut, tuple(boundary)))
        return outputs

    def release_accelerators(self) -> None:
        self._release(lambda key: not _on_cpu(key))

    def release(self, folder: Path) -> None:
        self._release(lambda key: key.folder == folder)

    def obstacle(self) -> str:
        return "the runner is closed; the agent is ending" if self._closed else ""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._shelf.close()

    def _answer(self, call: Call) -> Any:
        with self._lock:
            if self._closed:
                raise RunnerFailed("the runner is closed; the agent is ending")
            for oldest in self._kept.use(call.key):
                self._shelf.answer(Call("close", oldest))
            return self._shelf.answer(call)

    def _release(self, wanted: Callable[[RunnerKey], bool]) -> None:
        with self._lock:
            for key in filter(wanted, self._kept):
                self._shelf.answer(Call("close", key))
                self._kept.forget(key)
