"""Running a head or a tail: the port, what all runners share, and the fake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from models.manifest import CutPoint, Manifest
from models.signatures import WHOLE, head_signature, tail_signature
from protocol.errors import DynaSplitError, InvalidInput
from protocol.tensors import Array, TensorSpec


class RunnerFailed(DynaSplitError, RuntimeError):
    """The runtime refused to open or run a sound bundle: out of memory, an operator that it does not know."""


@dataclass(frozen=True)
class Head:
    """What the head leaves: the boundary tensors in the manifest's order, and the outputs that are complete by name."""

    boundary: tuple[Array, ...]
    finished: Mapping[str, Array]


class Runner(Protocol):
    """Runs heads and tails of one bundle. Not thread-safe: one call at a time, from any one thread.

    Arrays come and go with the dtypes and shapes of the manifest; those that are returned belong to the caller, though
    a boundary tensor that is an input of the network is that very array. The first call at a cut point opens it, which
    may take seconds; later ones, also after others in between, do not pay again while it is kept.

    Errors: NotFound for a cut point that the bundle does not have; InvalidInput for arrays that do not fit; RunnerFailed
    when the runtime gives up, which is worth retrying with another cut point but not with the same.
    """

    runtime: str
    """What computes, with its version, such as `litert-2.3.0-compiled`: it belongs to every measurement."""

    holds_interpreter: bool
    """Whether all other threads of the process wait while it runs."""

    def head(self, cut: int, inputs: Sequence[Array]) -> Head:
        """The head up to `cut`. At 0 nothing runs and the boundary is the input; at L all runs and all outputs are finished."""
        ...

    def tail(self, cut: int, boundary: Sequence[Array]) -> Mapping[str, Array]:
        """The outputs that the head did not finish, by name. At 0 all of the network runs; at L there is nothing to do."""
        ...

    def close(self) -> None:
        """Gives memory and files back. Calling it again does nothing; other calls after it raise RunnerFailed."""
        ...


class Engine(Protocol):
    """Runs one signature of a bundle's flatbuffer; what a runtime must offer to become a runner."""

    runtime: str
    holds_interpreter: bool

    def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Mapping[str, TensorSpec]
    ) -> Mapping[str, Array]:
        """`outputs` by signature name. Inputs that the signature does not use are ignored. Raises RunnerFailed."""
        ...

    def close(self) -> None: ...


class _Tail(NamedTuple):
    """A signature, what its inputs' names begin with, and the outputs that are wanted of it by their names in there."""

    signature: str
    prefix: str
    wanted: Mapping[str, TensorSpec]


class SignatureRunner:
    """A `Runner` over any engine: it knows which array goes to which signature."""

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self._manifest = manifest
        self._engine = engine
        self._closed = False
        self._tails: dict[int, _Tail] = {}
        self.runtime = engine.runtime
        self.holds_interpreter = engine.holds_interpreter

    def head(self, cut: int, inputs: Sequence[Array]) -> Head:
        point = self._point(cut)
        _check("inputs", self._manifest.inputs, inputs)
        if cut == 0:
            return Head(tuple(inputs), {})
        given = {spec.name: array for spec, array in zip(self._manifest.inputs, inputs, strict=True)}
        made = self._engine.run(self._head_signature(cut), _numbered("i", inputs), self._head_outputs(point))
        boundary = {
            spec.name: given[point.from_inputs[spec.name]] if spec.name in point.from_inputs else made[spec.name]
            for spec in point.boundary
        }
        aliases = {spec.name: f"o{place}" for place, spec in enumerate(self._manifest.outputs)} | dict(
            point.outputs_in_boundary
        )
        finished = {name: made[aliases[name]] for name in point.finished_outputs}
        return Head(tuple(boundary.values()), finished)

    def tail(self, cut: int, boundary: Sequence[Array]) -> Mapping[str, Array]:
        point = self._point(cut)
        _check("boundary tensors", point.boundary, boundary)
        if cut not in self._tails:
            self._tails[cut] = self._tail_of(point)
        signature, prefix, wanted = self._tails[cut]
        if not wanted:
            return {}
        made = self._engine.run(signature, _numbered(prefix, boundary), wanted)
        return {spec.name: made[name] for name, spec in wanted.items()}

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._engine.close()

    def _point(self, cut: int) -> CutPoint:
        if self._closed:
            raise RunnerFailed(f"the runner of {self._manifest.network} is closed")
        return self._manifest.cut(cut)

    def _tail_of(self, point: CutPoint) -> _Tail:
        wanted = {
            f"o{place}": spec
            for place, spec in enumerate(self._manifest.outputs)
            if spec.name not in point.finished_outputs
        }
        whole = point.index == 0 and not self._manifest.mixed
        return _Tail(WHOLE, "i", wanted) if whole else _Tail(tail_signature(point.index), "b", wanted)

    def _head_signature(self, cut: int) -> str:
        return WHOLE if cut == self._manifest.operator_count else head_signature(cut)

    def _head_outputs(self, point: CutPoint) -> Mapping[str, TensorSpec]:
        made = {spec.name: spec for spec in point.boundary if spec.name not in point.from_inputs}
        kept = {
            f"o{place}": spec
            for place, spec in enumerate(self._manifest.outputs)
            if spec.name in point.finished_outputs and spec.name not in point.outputs_in_boundary
        }
        return made | kept


def _check(what: str, specs: Sequence[TensorSpec], arrays: Sequence[Array]) -> None:
    if len(arrays) != len(specs):
        raise InvalidInput(f"{len(specs)} {what} are needed, not {len(arrays)}")
    for spec, array in zip(specs, arrays, strict=True):
        spec.check(array)


def _numbered(prefix: str, arrays: Sequence[Array]) -> Mapping[str, Array]:
    return {f"{prefix}{place}": array for place, array in enumerate(arrays)}


class FakeRunner(SignatureRunner):
    """A runner that computes nothing but answers alike at every cut point. It needs a manifest, no flatbuffer and no time.

    One number from 0 to 99, drawn from the inputs, fills every boundary tensor; the tail reads it back. It survives all
    codecs. Output element `number mod size` is 1, the others 0; an output that crosses as boundary is filled as well.
    """

    def __init__(self, manifest: Manifest) -> None:
        super().__init__(manifest, _FakeEngine(manifest))


class _FakeEngine:
    runtime: str = "fake"
    holds_interpreter = False

    def __init__(self, manifest: Manifest) -> None:
        crossing = {spec.datatype for point in manifest.cut_points[1:] for spec in point.boundary}
        self._levels = 2 if "BOOL" in crossing else 100
        outputs = {name for point in manifest.cut_points for name in point.outputs_in_boundary}
        self._filled = {f"o{place}" for place, spec in enumerate(manifest.outputs) if spec.name in outputs}

    def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Mapping[str, TensorSpec]
    ) -> Mapping[str, Array]:
        after_head = signature.startswith("tail_") and signature != tail_signature(0)
        number = self._carried(inputs) if after_head else self._drawn(inputs)
        return {
            name: np.full(spec.shape, number, spec.dtype)
            if name.startswith("b") or name in self._filled
            else _one_hot(spec, number)
            for name, spec in outputs.items()
        }

    def close(self) -> None:
        pass

    def _drawn(self, inputs: Mapping[str, Array]) -> int:
        return int(sum(float(np.abs(array.astype(np.float64)).mean()) for array in inputs.values()) * 97) % self._levels

    def _carried(self, boundary: Mapping[str, Array]) -> int:
        """The number in a constant boundary tensor; a tensor that only passes by is seldom constant."""
        constant = (array for array in boundary.values() if array.size and (array == array.flat[0]).all())
        found = next(constant, None)
        return self._drawn(boundary) if found is None else round(float(found.flat[0])) % self._levels


def _one_hot(spec: TensorSpec, number: int) -> Array:
    values = np.zeros(spec.shape, spec.dtype)
    if values.size:
        values.flat[number % values.size] = 1
    return values
