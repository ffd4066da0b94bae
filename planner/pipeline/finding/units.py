"""Who can run a stage, and what that costs: single nodes, and groups of nodes that take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from planner.pipeline.instance import Flags, Floats, Indices, Instance
from planner.pipeline.loads import pairs
from planner.pipeline.plan import Plan, Stage

SLACK = 1 + 1e-12
"""By this factor limits are widened before sums are held against them: sums are rounded."""


@dataclass(frozen=True)
class Ports:
    """Where stages begin and end: port q = point * C + codec. The input and the output have one port each."""

    points: int
    codecs: int

    @property
    def count(self) -> int:
        """How many ports, those that cannot be used included: Q."""
        return (self.points + 1) * self.codecs

    @property
    def end(self) -> int:
        """The port of the output; the input's is 0."""
        return self.points * self.codecs

    def point(self, port: int) -> int:
        """The point at which a port lies."""
        return port // self.codecs

    @cached_property
    def every_point(self) -> Indices:
        """[Q]: the point at which each port lies."""
        return np.arange(self.count) // self.codecs

    @cached_property
    def inner(self) -> Flags:
        """[Q]: the ports where the network is cut."""
        return np.asarray((self.every_point > 0) & (self.every_point < self.points))


@dataclass(frozen=True, eq=False)
class Units:
    """All units of an instance: U nodes or groups, in ascending order of their size.

    What is sent at a port costs `port_bytes` [Q] times a factor in seconds per byte: `link` [U, U] for the busiest link
    between two units, `mean` [U, U] for the mean over their pairs; `entry` and `leave` [U] are means over members.
    """

    instance: Instance
    members: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, instance: Instance) -> Units:
        """Every node, and every group of at most `instance.replicas` nodes."""
        nodes = range(len(instance.nodes))
        largest = min(instance.replicas, len(instance.nodes))
        return cls(instance, tuple(group for size in range(1, largest + 1) for group in combinations(nodes, size)))

    @cached_property
    def ports(self) -> Ports:
        """The ports of the instance."""
        return Ports(self.instance.pieces.count, len(self.instance.codecs))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many nodes each unit takes."""
        return tuple(len(group) for group in self.members)

    @cached_property
    def masks(self) -> tuple[int, ...]:
        """The nodes of each unit as bits."""
        return tuple(sum(1 << node for node in group) for group in self.members)

    @cached_property
    def port_bytes(self) -> Floats:
        """[Q]: what crosses each port."""
        return np.asarray(self.instance.transfer_bytes.T.reshape(-1))

    @cached_property
    def link(self) -> Floats:
        """[U, U]: seconds per byte and inference of the busiest link from unit to unit; infinite for units that overlap."""
        return self._between(self.inverse_rate, max)

    @cached_property
    def mean(self) -> Floats:
        """[U, U]: seconds per byte on average over the pairs that two units form."""
        return self._between(self.inverse_rate, sum)

    @cached_property
    def joules(self) -> Floats:
        """[U, U]: joules per byte that sending and receiving take above doing nothing."""
        send = np.array([node.send_w for node in self.instance.nodes])
        receive = np.array([node.receive_w for node in self.instance.nodes])
        linked = np.isfinite(self.inverse_rate)
        joules = np.where(linked, self.inverse_rate, 0.0) * (send[:, None] + receive[None, :])
        return self._between(np.where(linked, joules, np.inf), sum)

    def of_members(self, per_node: Floats) -> Floats:
        """[U]: the mean over members of a figure of each node [N]."""
        return np.array([float(per_node[list(group)].mean()) for group in self.members])

    def plan(self, way: Sequence[tuple[int, int]]) -> Plan:
        """That of a pipeline of units, each with the port at which its stage begins, and ends where the next one does."""
        ports = self.ports
        begins = [port for _, port in way]
        stages = tuple(
            Stage(ports.point(first), ports.point(last), self.members[unit])
            for (unit, first), last in zip(way, [*begins[1:], ports.end], strict=True)
        )
        return Plan(stages, tuple(port % ports.codecs for port in begins[1:]))

    @cached_property
    def way_in_s(self) -> Floats:
        """[N]: seconds from the dispatcher to each node; infinite where there is no way."""
        return sending(self.port_bytes[0], inverse(self.instance.rate_in))

    @cached_property
    def way_out_s(self) -> Floats:
        """[N]: seconds from each node to the dispatcher; infinite where there is no way."""
        return sending(self.port_bytes[self.ports.end], inverse(self.instance.rate_out))

    @cached_property
    def entry_s(self) -> Floats:
        """[U]: seconds from the dispatcher, the mean over members."""
        return self.of_members(self.way_in_s)

    @cached_property
    def leave_s(self) -> Floats:
        """[U]: seconds to the dispatcher, the mean over members."""
        return self.of_members(self.way_out_s)

    @cached_property
    def busiest_entry_s(self) -> Floats:
        """[U]: seconds per inference of the busiest link from the dispatcher."""
        return self._busiest(self.way_in_s)

    @cached_property
    def busiest_leave_s(self) -> Floats:
        """[U]: seconds per inference of the busiest link to the dispatcher."""
        return self._busiest(self.way_out_s)

    @cached_property
    def single(self) -> bool:
        """Whether every unit is one node."""
        return self.sizes[-1] == 1

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """[U]: units of the same kind run the same stages at the same cost; there are K kinds."""
        return tuple(self._kinds[self._nodes_of(group)] for group in self.members)

    @cached_property
    def busiest_s(self) -> Floats:
        """[K, Q, Q]: seconds per inference that the busiest member computes from port to port; infinite: it cannot."""
        return self._per_kind(lambda times: np.maximum.reduce(times) / len(times))

    @cached_property
    def mean_s(self) -> Floats:
        """[K, Q, Q]: seconds that one inference takes from port to port, the mean over members; infinite: it cannot."""
        return self._per_kind(lambda times: np.add.reduce(times) / len(times))

    def stage_joules(self, period_s: float) -> Floats:
        """[K, Q, Q]: joules per inference of a unit that takes one every `period_s`; infinite: it cannot."""
        return np.stack([self._joules(kind, period_s) for kind in self._kinds])

    def _joules(self, kind: tuple[int, ...], period_s: float) -> Floats:
        nodes = [self.instance.nodes[self._alike.index(each)] for each in kind]
        above = np.array([node.busy_w - node.idle_w for node in nodes]) / len(nodes)
        times = np.stack([self._times[each] for each in kind])
        possible = np.isfinite(times).all(axis=0)
        busy = np.tensordot(above, np.where(possible, times, 0.0), axes=1)
        return np.where(possible, busy + sum(node.idle_w for node in nodes) * period_s, np.inf)

    def _per_kind(self, joined: Callable[[list[Floats]], Floats]) -> Floats:
        return np.stack([joined([self._times[each] for each in kind]) for kind in self._kinds])

    @cached_property
    def _kinds(self) -> dict[tuple[int, ...], int]:
        different = dict.fromkeys(self._nodes_of(group) for group in self.members)
        return {kind: index for index, kind in enumerate(different)}

    def _nodes_of(self, group: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(self._alike[node] for node in group))

    @cached_property
    def _alike(self) -> list[int]:
        seen: dict[bytes, int] = {}
        return [seen.setdefault(self._figures(node), len(seen)) for node in range(len(self.instance.nodes))]

    @cached_property
    def _times(self) -> list[Floats]:
        first = [self._alike.index(each) for each in range(max(self._alike) + 1)]
        return [self._member_s(node) for node in first]

    def _member_s(self, node: int) -> Floats:
        """[Q, Q]: seconds that one inference of a stage from port to port takes on a node; infinite: it cannot."""
        instance, ports = self.instance, self.ports
        point = ports.every_point
        computed = np.concatenate(([0.0], np.cumsum(instance.compute_s[node])))[point]
        decode = np.where(ports.inner, self._by_port([codec.decode_s[node] for codec in instance.codecs]), 0.0)
        encode = np.where(ports.inner, self._by_port([codec.encode_s[node] for codec in instance.codecs]), 0.0)
        seconds = computed[None, :] - computed[:, None] + decode[:, None] + encode[None, :]
        begins, ends = ports.inner.copy(), ports.inner.copy()
        begins[0] = ends[ports.end] = True
        fits = instance.pieces.memory_bytes[np.ix_(point, point)] < instance.capacity_bytes[node]
        return np.where(fits & begins[:, None] & ends[None, :], seconds, np.inf)

    @staticmethod
    def _by_port(codecs: list[Floats]) -> Floats:
        return np.asarray(np.stack(codecs, axis=1).reshape(-1))

    def _figures(self, node: int) -> bytes:
        each = self.instance.nodes[node]
        figures = np.array([each.memory_bytes, each.idle_w, each.busy_w])
        coding = [array[node] for codec in self.instance.codecs for array in (codec.encode_s, codec.decode_s)]
        return np.concatenate([figures, self.instance.compute_s[node], *coding]).tobytes()

    @cached_property
    def inverse_rate(self) -> Floats:
        """[N, N]: seconds per byte from node to node; infinite where there is no link."""
        return _without_self(inverse(self.instance.rate))

    def _between(self, per_pair: Floats, joined: Callable[[list[float]], float]) -> Floats:
        if self.single:
            return per_pair
        factors = np.full((len(self.members), len(self.members)), np.inf)
        for row, senders in enumerate(self.members):
            for column, receivers in enumerate(self.members):
                if not self.masks[row] & self.masks[column]:
                    shares = [
                        share * per_pair[sender, receiver] for sender, receiver, share in pairs(senders, receivers)
                    ]
                    factors[row, column] = joined(shares)
        return factors

    def _busiest(self, per_node: Floats) -> Floats:
        return np.array([float(per_node[list(group)].max()) / len(group) for group in self.members])


def inverse(rate: Floats) -> Floats:
    """Seconds per byte: infinite where nothing can be sent, 0 where that takes no time."""
    with np.errstate(divide="ignore"):
        return 1.0 / rate


def sendable(per_byte: Floats, most: float) -> Floats:
    """How many bytes may be sent at a cost of `most`; -1 where there is no way."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isinf(per_byte), -1.0, most / per_byte)


def sending(size: Floats | float, per_byte: Floats) -> Floats:
    """What `size` bytes cost; infinite where there is no way, also for none."""
    blocked = np.isinf(per_byte)
    return np.where(blocked, np.inf, size * np.where(blocked, 0.0, per_byte))


def _without_self(factors: Floats) -> Floats:
    factors = factors.copy()
    np.fill_diagonal(factors, np.inf)
    return factors
