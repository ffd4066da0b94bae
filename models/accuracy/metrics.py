"""Metrics: the share of right answers, or what a function of the user's own says of all answers together."""

from __future__ import annotations

import hashlib
import importlib
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from models.manifest import Manifest
from protocol.errors import InvalidInput
from protocol.tensors import Array

OwnFunction = Callable[[Mapping[str, Array], Array], float]
"""Outputs by name, each [N, …], and labels [N, …] to a number from 0 to 1."""


class Tally(Protocol):
    """Collects the answers of one run over the samples."""

    def add(self, outputs: Mapping[str, Array], label: Array) -> None:
        """One sample's outputs by name, as the network gives them, and its label."""
        ...

    def value(self) -> float:
        """The metric over all that was added, from 0 to 1."""
        ...


class Metric(Protocol):
    """A way to judge answers. `source` is the sha256 of the user's own code, "" for the metrics that come along."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str: ...

    def check(self, manifest: Manifest, labels: Array, /) -> None:
        """InvalidInput where these labels cannot be judged on this network."""
        ...

    def tally(self, manifest: Manifest, /) -> Tally: ...

    def interval(self, value: float, samples: int, /) -> tuple[float, float] | None:
        """The 95 % interval of a value that was found on so many samples; None where nobody can tell."""
        ...


@dataclass(frozen=True)
class Top:
    """The label is among the `count` highest elements of the network's first output; of equal ones the first counts."""

    count: int
    source: str = ""

    @property
    def name(self) -> str:
        return f"top{self.count}"

    def check(self, manifest: Manifest, labels: Array, /) -> None:
        classes = manifest.outputs[0].elements
        if classes <= self.count:
            raise InvalidInput(
                f"{self.name} of {manifest.network}, whose first output has {classes} elements, is always 1: "
                "choose another metric, such as top1 or module:function"
            )
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise InvalidInput(
                f"{self.name} takes labels that are integers [N], not {labels.dtype} {list(labels.shape)}"
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise InvalidInput(
                f"labels run from {labels.min()} to {labels.max()}, but {manifest.network} has classes 0 to {classes - 1}"
            )

    def tally(self, manifest: Manifest, /) -> Tally:
        return _Hits(self.count, manifest.outputs[0].name)

    def interval(self, value: float, samples: int, /) -> tuple[float, float] | None:
        return wilson(value, samples)


@dataclass
class _Hits:
    count: int
    output: str
    right: int = 0
    seen: int = 0

    def add(self, outputs: Mapping[str, Array], label: Array) -> None:
        scores = outputs[self.output].ravel()
        own = scores[label]
        better = np.count_nonzero(scores > own) + np.count_nonzero(scores[:label] == own)
        self.right += bool(better < self.count and not np.isnan(scores).any())
        self.seen += 1

    def value(self) -> float:
        return self.right / self.seen


@dataclass(frozen=True)
class Own:
    """A function of the user's own. It gets all outputs at once, so they are kept in memory meanwhile."""

    name: str
    source: str
    function: OwnFunction

    def check(self, _manifest: Manifest, _labels: Array, /) -> None:
        pass

    def tally(self, _manifest: Manifest, /) -> Tally:
        return _Collected(self)

    def interval(self, _value: float, _samples: int, /) -> tuple[float, float] | None:
        return None


@dataclass
class _Collected:
    metric: Own
    outputs: dict[str, list[Array]] = field(default_factory=dict)
    labels: list[Array] = field(default_factory=list)

    def add(self, outputs: Mapping[str, Array], label: Array) -> None:
        for name, array in outputs.items():
            self.outputs.setdefault(name, []).append(array[0] if array.shape[:1] == (1,) else array)
        self.labels.append(label)

    def value(self) -> float:
        outputs = {name: np.stack(arrays) for name, arrays in self.outputs.items()}
        name = self.metric.name
        try:
            value = float(self.metric.function(outputs, np.stack(self.labels)))
        except (Exception, SystemExit) as error:  # whatever the user's code raises is the user's to mend
            raise InvalidInput(f"metric {name} failed: {_said(error)}") from error
        if not 0 <= value <= 1:  # NaN as well
            raise InvalidInput(f"metric {name} gave {value}; it must give a number from 0 to 1")
        return value


TOP1, TOP5 = Top(1), Top(5)
_BUILT_IN: Mapping[str, Metric] = {metric.name: metric for metric in (TOP1, TOP5)}


def load_metric(text: str) -> Metric:
    """`top1`, `top5`, or `module:function` with a module that can be imported from the current directory."""
    if text in _BUILT_IN:
        return _BUILT_IN[text]
    module_name, _, function_name = text.partition(":")
    if not function_name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise InvalidInput(f"the metric must be {', '.join(_BUILT_IN)} or module:function, not {text!r:.60}")
    module = _imported(module_name, text)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InvalidInput(f"metric {text}: {module.__file__} has no function '{function_name}'")
    return Own(text, _sha256(module), function)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share that was found on `count` samples (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    z = 1.959964
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def _imported(module: str, metric: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise InvalidInput(f"metric {metric}: there is no module '{module}' in {here}") from error
        raise InvalidInput(f"metric {metric}: {module} cannot be imported: {_said(error)}") from error
    except (Exception, SystemExit) as error:  # a module of the user's own may raise anything
        raise InvalidInput(f"metric {metric}: {module} cannot be imported: {_said(error)}") from error


def _sha256(module: ModuleType) -> str:
    return hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest() if module.__file__ else ""


def _said(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
