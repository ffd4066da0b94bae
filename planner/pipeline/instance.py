"""What a cluster planner is given: a network as a row of pieces, nodes that differ, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from protocol.errors import InvalidInput

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

FARTHEST_M = 1e6
"""Nodes that have a place have it within so many metres of 0, in x and in y: what lies farther is no cluster."""

RATES_MBPS = (1e-9, 1e9)
"""Of a link that exists, in Mbit/s: what is read of files must lie within, so that no time computed from it overflows."""


class Medium(StrEnum):
    """Which transmissions hinder each other.

    `links`: none; each direction of each link is a resource of its own (the published assumption).
    `half_duplex`: a node's radio either sends or receives, with one partner at a time; the dispatcher is wired.
    `shared`: one transmission at a time in the whole cluster, to and from the dispatcher included.
    """

    LINKS = "links"
    HALF_DUPLEX = "half_duplex"
    SHARED = "shared"


@dataclass(frozen=True, eq=False)
class Pieces:
    """A network as a row of P pieces between P + 1 points: point 0 is the input, point P the output, inner ones may be cut.

    `labels` [P+1] name the points (the operator behind which each lies), `weight_bytes` [P] add up over a stage, of
    `peak_bytes` [P] (activations alive while a piece runs) a stage needs the largest.
    """

    labels: tuple[str, ...]
    weight_bytes: Floats
    peak_bytes: Floats

    def __post_init__(self) -> None:
        if not len(self.weight_bytes):
            raise InvalidInput("the network is empty: it has no piece between two points")
        _shaped(self.weight_bytes, (self.count,), "weight_bytes of the pieces")
        _shaped(self.peak_bytes, (self.count,), "peak_bytes of the pieces")
        if len(self.labels) != self.count + 1:
            raise InvalidInput(f"{self.count} pieces lie between {self.count + 1} points, not {len(self.labels)}")

    @property
    def count(self) -> int:
        """How many pieces: P."""
        return len(self.weight_bytes)

    @cached_property
    def largest_bytes(self) -> Floats:
        """[P+1, P+1]: the largest activations from point a to point b; 0 where b does not lie behind a."""
        largest = np.zeros((self.count + 1, self.count + 1))
        for first in range(self.count):
            largest[first, first + 1 :] = np.maximum.accumulate(self.peak_bytes[first:])
        return largest

    @cached_property
    def memory_bytes(self) -> Floats:
        """[P+1, P+1]: what a stage from point a to point b must hold; infinite where b does not lie behind a."""
        weights = np.concatenate(([0.0], np.cumsum(self.weight_bytes)))
        needed = weights[None, :] - weights[:, None] + self.largest_bytes
        return np.where(np.tri(self.count + 1, dtype=np.bool_), np.inf, needed)


@dataclass(frozen=True, eq=False)
class Codec:
    """A way to write what crosses a point: `transfer_bytes` [P+1], and seconds per node and point [N, P+1] at both ends."""

    name: str
    transfer_bytes: Floats
    encode_s: Floats
    decode_s: Floats


@dataclass(frozen=True)
class Node:
    """A device of the cluster.

    A stage's memory must lie strictly below `memory_bytes`. Watts: doing nothing, computing, and what sending and
    receiving add to doing nothing. `position_m` is where it stands on the map, if that is known.
    """

    name: str
    memory_bytes: float
    idle_w: float = 0.0
    busy_w: float = 0.0
    send_w: float = 0.0
    receive_w: float = 0.0
    position_m: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Instance:
    """One planning problem. N nodes, P pieces, C codecs; seconds, bytes and bytes per second throughout.

    `compute_s` [N, P]; `rate` [N, N] from row to column, 0 where there is no link; `rate_in` and `rate_out` [N] from and
    to the dispatcher, infinite where that costs nothing, 0 where it cannot be reached; what crosses points 0 and P is
    written as the first codec writes it, at no cost of time at the nodes. Up to `replicas` nodes may take turns at a stage.
    Raises InvalidInput where shapes, signs or numbers cannot be.
    """

    name: str
    pieces: Pieces
    codecs: tuple[Codec, ...]
    nodes: tuple[Node, ...]
    compute_s: Floats
    rate: Floats
    rate_in: Floats
    rate_out: Floats
    medium: Medium = Medium.LINKS
    replicas: int = 1

    def __post_init__(self) -> None:
        count, points = len(self.nodes), self.pieces.count + 1
        if not count:
            raise InvalidInput("the cluster is empty: it has no node")
        if not self.codecs:
            raise InvalidInput("no codec is given: what crosses a cut must be written somehow")
        _shaped(self.compute_s, (count, self.pieces.count), "compute_s")
        _shaped(self.rate, (count, count), "the rates between nodes")
        _shaped(self.rate_in, (count,), "the rates from the dispatcher", infinite=True)
        _shaped(self.rate_out, (count,), "the rates to the dispatcher", infinite=True)
        for codec in self.codecs:
            _shaped(codec.transfer_bytes, (points,), f"transfer_bytes of codec {codec.name}")
            _shaped(codec.encode_s, (count, points), f"encode_s of codec {codec.name}")
            _shaped(codec.decode_s, (count, points), f"decode_s of codec {codec.name}")
        if self.replicas < 1:
            raise InvalidInput(f"a stage runs on at least one node, not on {self.replicas}")

    @cached_property
    def transfer_bytes(self) -> Floats:
        """[C, P+1]: what crosses each point, by codec."""
        return np.stack([codec.transfer_bytes for codec in self.codecs])

    @cached_property
    def capacity_bytes(self) -> Floats:
        """[N]: below which a stage on each node must stay."""
        return np.array([node.memory_bytes for node in self.nodes])


def _shaped(values: Floats, shape: tuple[int, ...], what: str, *, infinite: bool = False) -> None:
    if values.shape != shape:
        raise InvalidInput(f"{what} must have the shape {_by(shape)}, not {_by(values.shape)}")
    wrong = np.isnan(values) | (values < 0)
    if not infinite:
        wrong |= np.isinf(values)
    if wrong.any():
        at = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise InvalidInput(f"{what} must be numbers of 0 or more, not {values[at]} at {list(at)}")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(each) for each in shape)
