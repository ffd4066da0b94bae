"""The boards by name."""

from __future__ import annotations

import time
from importlib.resources import files

from hardware.accelerator.port import EdgeTpu
from hardware.board import Board
from hardware.clock import Clock, Sleep
from hardware.device_model import DeviceModel
from hardware.emulated import EmulatedBoard
from hardware.linux_board import NAME as LINUX
from hardware.linux_board import open_linux_board
from protocol.errors import NotFound

_MODELS = files("hardware") / "boards"
_SUFFIX = ".toml"


def emulated_board_names() -> tuple[str, ...]:
    """The boards that need no device: one for each file in `boards/`."""
    names = (entry.name for entry in _MODELS.iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def board_names() -> tuple[str, ...]:
    """The names that `open_board` takes: the emulated boards, and `linux` for this machine."""
    return (*emulated_board_names(), LINUX)


def open_board(
    name: str, *, edge_tpu: EdgeTpu | None = None, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
) -> Board:
    """The board of this name, with the Edge TPU that is plugged into it; NotFound that lists the known ones.

    For `linux` also NotFound where this machine's clock cannot be set or it has no power meter, and NotAllowed where
    this user may not read the meter.
    """
    if name == LINUX:
        return open_linux_board(edge_tpu=edge_tpu, clock=clock, sleep=sleep)
    if name not in emulated_board_names():
        raise NotFound(f"board {name!r:.60} is not known; choose one of {', '.join(board_names())}")
    return EmulatedBoard(name, device_model(name), edge_tpu=edge_tpu, clock=clock, sleep=sleep)


def device_model(name: str) -> DeviceModel:
    """The model behind the emulated board of this name."""
    text = (_MODELS / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
    return DeviceModel.from_toml(text, what=f"board {name}")
