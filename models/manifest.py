"""What a bundle says of its network: cut points, boundaries, work, input scaling, labels and artifacts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from itertools import pairwise
from typing import Any

from protocol.documents import check_schema, checked, field
from protocol.errors import InvalidInput, NotFound
from protocol.tensors import TensorSpec
from protocol.work import Work, total

SCHEMA = 2
"""Bundles of two networks came with 2. All others are written as 1, with the bytes and thus the digest that they always had."""

_IMAGE_CHANNELS = (1, 3)


@dataclass(frozen=True)
class Scaling:
    """How pixel values 0-255 become the network's input: `value * scale + offset`, in this layout."""

    scale: float = 1.0
    offset: float = 0.0
    layout: str = "NHWC"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and math.isfinite(self.offset) and self.scale):
            raise InvalidInput(
                f"input scaling: scale and offset must be finite, and scale not 0; they are {self.scale} and {self.offset}"
            )
        if self.layout not in ("NHWC", "NCHW"):
            raise InvalidInput(f"input scaling: layout must be NHWC or NCHW, not {self.layout!r:.40}")

    def check_layout(self, shape: Sequence[int], *, what: str) -> None:
        """InvalidInput where the shape of an input tells that the other layout is meant; that of no image tells nothing."""
        if self == Scaling() or len(shape) != 4:  # where nothing is said of the input, it need not be an image
            return
        own, other = (shape[-1], shape[1]) if self.layout == "NHWC" else (shape[1], shape[-1])
        if other in _IMAGE_CHANNELS and own not in _IMAGE_CHANNELS:
            raise InvalidInput(f"{what}: its layout is {self.layout}, but the network's input is {list(shape)}")

    def to_json(self) -> dict[str, Any]:
        return {"scale": self.scale, "offset": self.offset, "layout": self.layout}

    @classmethod
    def from_json(cls, content: object, *, what: str = "input scaling") -> Scaling:
        entry = checked(content, dict, what=what)
        return cls(
            scale=field(entry, "scale", float, what=what),
            offset=field({"offset": 0.0, **entry}, "offset", float, what=what),
            layout=field({"layout": "NHWC", **entry}, "layout", str, what=what),
        )


@dataclass(frozen=True)
class CutPoint:
    """Where a bundle can be cut: after `index` operators, where the layer `name` ends.

    `boundary` holds the tensors that cross, named `b0`, `b1`, … as they are on the wire. `finished_outputs` names the
    network's outputs that the head completes. `from_inputs` maps a boundary tensor to the network input that it is,
    `outputs_in_boundary` a finished output to the boundary tensor that it is.
    """

    index: int
    name: str
    boundary: tuple[TensorSpec, ...]
    finished_outputs: tuple[str, ...] = ()
    from_inputs: Mapping[str, str] = default(default_factory=dict)
    outputs_in_boundary: Mapping[str, str] = default(default_factory=dict)

    @property
    def boundary_bytes(self) -> int:
        """What crosses, before any codec."""
        return sum(spec.nbytes for spec in self.boundary)

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "name": self.name,
            "boundary": [spec.to_json() for spec in self.boundary],
            "finished_outputs": list(self.finished_outputs),
            "from_inputs": dict(self.from_inputs),
            "outputs_in_boundary": dict(self.outputs_in_boundary),
        }

    @classmethod
    def from_json(cls, content: object, *, what: str) -> CutPoint:
        entry = checked(content, dict, what=what)
        return cls(
            index=field(entry, "index", int, what=what),
            name=field(entry, "name", str, what=what),
            boundary=_specs(entry, "boundary", what=what),
            finished_outputs=_strings(entry, "finished_outputs", what=what),
            from_inputs=_names(entry, "from_inputs", what=what),
            outputs_in_boundary=_names(entry, "outputs_in_boundary", what=what),
        )


@dataclass(frozen=True)
class Artifact:
    """A file of the bundle: what it is for, its sha256 (hexadecimal), its name in the folder, its size."""

    role: str
    sha256: str
    filename: str
    bytes: int

    def to_json(self) -> dict[str, Any]:
        return {"role": self.role, "sha256": self.sha256, "filename": self.filename, "bytes": self.bytes}

    @classmethod
    def from_json(cls, content: object, *, what: str) -> Artifact:
        entry = checked(content, dict, what=what)
        filename = field(entry, "filename", str, what=what)
        if not filename or "/" in filename or "\\" in filename or filename.startswith("."):
            raise InvalidInput(f"{what}: filename must be a plain name, not {filename!r:.60}")
        texts = {name: field(entry, name, str, what=what) for name in ("role", "sha256")}
        return cls(**texts, filename=filename, bytes=field(entry, "bytes", int, what=what))


@dataclass(frozen=True)
class TailNetwork:
    """What the cloud runs in a mixed bundle: another file of the same model, such as the fp32 one behind an int8 head.

    `operators` is the work of each of its operators, `cuts` tells of each cut point of the bundle after how many of them the
    tail begins.
    """

    network_digest: str
    operators: tuple[Work, ...]
    cuts: Mapping[int, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "network_digest": self.network_digest,
            "operators": [work.to_json() for work in self.operators],
            "cuts": [[head, tail] for head, tail in self.cuts.items()],
        }

    @classmethod
    def from_json(cls, content: object, *, what: str) -> TailNetwork:
        entry = checked(content, dict, what=what)
        pairs = [checked(pair, list, what=f"{what}: cut") for pair in field(entry, "cuts", list, what=what)]
        if any(len(pair) != 2 for pair in pairs):
            raise InvalidInput(f"{what}: 'cuts' must be pairs of cut points")
        return cls(
            network_digest=field(entry, "network_digest", str, what=what),
            operators=tuple(Work.from_json(work) for work in _objects(entry, "operators", what=what)),
            cuts={checked(head, int, what=what): checked(tail, int, what=what) for head, tail in pairs},
        )


@dataclass(frozen=True)
class Manifest:
    """The content of `bundle.json`. `operators` is the work of each operator in order; `network_digest` a sha256.

    `cut_points` are in order and always hold 0 (cloud-only) and the operator count (edge-only). In a mixed bundle
    `network_digest`, `operators` and the indices of the cut points are those of the network that heads are cut from, and
    `tail_network` tells of the one that tails are cut from; at 0 the cloud runs all of the latter.
    """

    network: str
    network_digest: str
    operators: tuple[Work, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    cut_points: tuple[CutPoint, ...]
    scaling: Scaling = Scaling()
    labels: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    tail_network: TailNetwork | None = None

    def __post_init__(self) -> None:
        indices = [point.index for point in self.cut_points]
        if len(indices) < 2 or indices[0] != 0 or indices[-1] != self.operator_count:
            raise InvalidInput(f"manifest: cut points must run from 0 to {self.operator_count}, not {indices}")
        if any(later <= earlier for earlier, later in pairwise(indices)):
            raise InvalidInput(f"manifest: cut points must rise, not {indices}")
        outputs = {spec.name for spec in self.outputs}
        for point in self.cut_points:
            _check_wiring(point, outputs, {spec.name for spec in self.inputs})
        if self.tail_network:
            _check_tail(self.tail_network, self.cuts)

    @property
    def operator_count(self) -> int:
        return len(self.operators)

    @property
    def cuts(self) -> tuple[int, ...]:
        """The indices of the cut points."""
        return tuple(point.index for point in self.cut_points)

    def cut(self, index: int) -> CutPoint:
        """The cut point after `index` operators; NotFound, with the possible ones, where the bundle has none."""
        for point in self.cut_points:
            if point.index == index:
                return point
        raise NotFound(f"{self.network} has no cut point {index}; it has {', '.join(map(str, self.cuts))}")

    @property
    def mixed(self) -> bool:
        """Whether heads and tails are cut from two networks, such as an int8 and an fp32 one."""
        return self.tail_network is not None

    def head_work(self, cut: int) -> Work:
        """The work of the operators before `cut`; at the operator count that of all, done on the device."""
        return total(self.operators[: self._counted(cut)])

    def tail_work(self, cut: int) -> Work:
        """The work that is left after `cut`. Of a mixed bundle only its own cut points have any; else NotFound."""
        if self.tail_network is None:
            return total(self.operators[self._counted(cut) :])
        return total(self.tail_network.operators[self.tail_network.cuts[self.cut(cut).index] :])

    def _counted(self, cut: int) -> int:
        if not 0 <= cut <= self.operator_count:
            raise InvalidInput(f"{self.network} has operators 0 to {self.operator_count}, so no cut {cut}")
        return cut

    def to_json(self) -> dict[str, Any]:
        tail = {"tail_network": self.tail_network.to_json()} if self.tail_network else {}
        return {
            "schema": SCHEMA if tail else SCHEMA - 1,
            "network": self.network,
            "network_digest": self.network_digest,
            "operators": [work.to_json() for work in self.operators],
            "inputs": [spec.to_json() for spec in self.inputs],
            "outputs": [spec.to_json() for spec in self.outputs],
            "cut_points": [point.to_json() for point in self.cut_points],
            "scaling": self.scaling.to_json(),
            "labels": list(self.labels),
            "artifacts": [artifact.to_json() for artifact in self.artifacts],
            **tail,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "manifest") -> Manifest:
        """A manifest from JSON; InvalidInput that names the field that is missing or wrong."""
        check_schema(content, current=SCHEMA, what=what)
        tail = content.get("tail_network")
        return cls(
            network=field(content, "network", str, what=what),
            network_digest=field(content, "network_digest", str, what=what),
            operators=tuple(Work.from_json(work) for work in _objects(content, "operators", what=what)),
            inputs=_specs(content, "inputs", what=what),
            outputs=_specs(content, "outputs", what=what),
            cut_points=tuple(
                CutPoint.from_json(point, what=f"{what}: cut point")
                for point in _objects(content, "cut_points", what=what)
            ),
            scaling=Scaling.from_json(content.get("scaling", {"scale": 1.0}), what=f"{what}: scaling"),
            labels=_strings(content, "labels", what=what),
            artifacts=tuple(
                Artifact.from_json(artifact, what=f"{what}: artifact")
                for artifact in _objects(content, "artifacts", what=what)
            ),
            tail_network=None if tail is None else TailNetwork.from_json(tail, what=f"{what}: tail_network"),
        )


def _check_tail(tail: TailNetwork, cuts: tuple[int, ...]) -> None:
    begins, end = list(tail.cuts.values()), len(tail.operators)
    if tuple(tail.cuts) != cuts or begins[0] != 0 or begins[-1] != end:
        raise InvalidInput(
            f"manifest: the tails' network must be cut at {list(cuts)}, from 0 to {end}, not {tail.cuts}"
        )
    if any(later < earlier for earlier, later in pairwise(begins)):
        raise InvalidInput(f"manifest: the tails' cut points must rise, not {begins}")


def _check_wiring(point: CutPoint, outputs: set[str], inputs: set[str]) -> None:
    boundary = {spec.name for spec in point.boundary}
    if not set(point.finished_outputs) | set(point.outputs_in_boundary) <= outputs:
        raise InvalidInput(f"manifest: cut point {point.index} finishes outputs that the network does not have")
    if not set(point.from_inputs) | set(point.outputs_in_boundary.values()) <= boundary:
        raise InvalidInput(f"manifest: cut point {point.index} refers to tensors that are not in its boundary")
    if not set(point.from_inputs.values()) <= inputs:
        raise InvalidInput(f"manifest: cut point {point.index} refers to inputs that the network does not have")


def _objects(content: Mapping[str, Any], name: str, *, what: str) -> list[dict[str, Any]]:
    return [checked(entry, dict, what=f"{what}: entry of '{name}'") for entry in field(content, name, list, what=what)]


def _specs(content: Mapping[str, Any], name: str, *, what: str) -> tuple[TensorSpec, ...]:
    entries = field(content, name, list, what=what)
    return tuple(TensorSpec.from_json(entry, what=f"{what}: tensor of '{name}'") for entry in entries)


def _strings(content: Mapping[str, Any], name: str, *, what: str) -> tuple[str, ...]:
    entries = field({name: [], **content}, name, list, what=what)
    return tuple(checked(entry, str, what=f"{what}: entry of '{name}'") for entry in entries)


def _names(content: Mapping[str, Any], name: str, *, what: str) -> dict[str, str]:
    entries = field({name: {}, **content}, name, dict, what=what)
    return {key: checked(value, str, what=f"{what}: '{name}'") for key, value in entries.items()}
