"""What is known of a node's board without measuring: how long work takes at the node's clock, and what it draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hardware.device_model import DeviceModel
from hardware.power.points import PowerPoints
from hardware.profile import BoardProfile, board_file, emulated_names, profile_names
from hardware.work_times import WorkTimes
from protocol.configuration import Provenance
from protocol.errors import InvalidInput
from protocol.work import Work
from tools.clusters.cluster import NodeEntry
from tools.output import read_text


@dataclass(frozen=True)
class KnownBoard:
    """A board as a plan needs it; `times` and `power` are None where no source is known, `kind` is what follows from them."""

    clocks_khz: tuple[int, ...]
    times: WorkTimes | None
    power: PowerPoints | None
    kind: Provenance


_NOTHING_KNOWN = KnownBoard((), None, None, Provenance.ESTIMATED)


@dataclass(frozen=True)
class Watts:
    """What a node draws while it waits and while it computes."""

    idle_w: float
    busy_w: float
    kind: Provenance


@dataclass(frozen=True)
class NodeModel:
    """A node's board at the node's clock, None where nobody knows that. `times` is None where nothing tells how long work
    takes."""

    node: NodeEntry
    clock_khz: int | None
    times: WorkTimes | None
    kind: Provenance
    watts: Watts | None

    def seconds(self, work: Work) -> float:
        """How long the node takes for the work. InvalidInput where nobody knows."""
        if self.node.board is None:
            raise InvalidInput(
                f"node {self.node.name} names no board, so that nothing tells how fast it is: add board, or give "
                "--measurements of it"
            )
        if self.times is None or self.clock_khz is None:
            raise InvalidInput(
                f"node {self.node.name}: no source is known for how long work takes on board {self.node.board}; give "
                "--measurements of such a device, or as its board the path of a file with cycles_per_mac and ns_per_byte"
            )
        if self.node.threads > self.times.threads:
            raise InvalidInput(
                f"node {self.node.name}: board {self.node.board} is modelled for {self.times.threads} thread at most, "
                f"not {self.node.threads}; give --measurements with as many"
            )
        try:
            return self.times.time_ms(work, self.clock_khz) / 1e3
        except InvalidInput as error:
            raise InvalidInput(f"node {self.node.name}: {error}") from error


def node_model(node: NodeEntry) -> NodeModel:
    """What is known of a node. InvalidInput for a board that nobody knows, and a clock at which it does not run."""
    board = known_board(node.board, what=f"node {node.name}") if node.board is not None else _NOTHING_KNOWN
    clock_khz = _clock_khz(node, board)
    return NodeModel(node, clock_khz, board.times, board.kind, _watts(node, board, clock_khz))


def known_board(name: str, *, what: str) -> KnownBoard:
    """The board of this name, or of this file; InvalidInput that names `what` and the boards that there are."""
    if name in emulated_names():
        return _of_model(DeviceModel.from_toml(board_file(name), what=f"board {name}"), Provenance.EMULATED)
    if name in profile_names():
        profile = BoardProfile.from_toml(name, board_file(name))
        return KnownBoard(profile.clocks_khz, profile.work, profile.power, Provenance.ESTIMATED)
    if "/" in name or name.endswith(".toml"):
        text = read_text(Path(name), what=f"{what}: board")
        return _of_model(DeviceModel.from_toml(text, what=f"board {name}"), Provenance.ESTIMATED)
    known = ", ".join((*emulated_names(), *profile_names()))
    raise InvalidInput(
        f"{what}: board {name!r:.60} is not known; there are {known}, or give the path of a board's file"
    )


def _of_model(model: DeviceModel, kind: Provenance) -> KnownBoard:
    return KnownBoard(model.ladder_khz, model, model.power, kind)


def _clock_khz(node: NodeEntry, board: KnownBoard) -> int | None:
    """The node's clock; above a board's usual ones (boost, overclocking) a model still holds, below them it would not run."""
    if node.clock_khz is None:
        return board.clocks_khz[-1] if board.clocks_khz else None
    if board.clocks_khz and node.clock_khz < board.clocks_khz[0]:
        raise InvalidInput(
            f"node {node.name}: board {node.board} does not run below {board.clocks_khz[0]} kHz, so not at {node.clock_khz}"
        )
    return node.clock_khz


def _watts(node: NodeEntry, board: KnownBoard, clock_khz: int | None) -> Watts | None:
    """What the file says, which may come from anywhere, goes before what such boards draw on average."""
    if node.idle_w is not None and node.busy_w is not None:
        return Watts(node.idle_w, node.busy_w, Provenance.ESTIMATED)
    if board.power is None or clock_khz is None:
        return None
    idle_w = board.power.waiting_w(clock_khz) if node.idle_w is None else node.idle_w
    busy_w = board.power.busy_w(clock_khz) if node.busy_w is None else node.busy_w
    return Watts(idle_w, busy_w, board.kind)
