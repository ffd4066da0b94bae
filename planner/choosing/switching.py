"""What it costs to bring the board from how it is set now to how a row wants it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from planner.pricing import Floats, Parts
from protocol.configuration import EdgeAccelerator
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Board:
    """How the board is set now."""

    cpu_khz: int
    edge_accelerator: EdgeAccelerator = EdgeAccelerator.OFF


@dataclass(frozen=True)
class Switching:
    """Time in ms to apply another clock, and to wake an accelerator or change its clock; `board` None: not known, no cost.

    The published system took 137 ms (VGG16) and 116 ms (ViT) to apply a configuration (DynaSplit, arXiv 2410.23881).
    """

    clock_ms: float = 0.0
    accelerator_ms: float = 0.0
    board: Board | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.clock_ms < math.inf and 0 <= self.accelerator_ms < math.inf):
            raise InvalidInput(f"switching times must be 0 ms or more, not {self.clock_ms} and {self.accelerator_ms}")

    @property
    def free(self) -> bool:
        return self.board is None or not (self.clock_ms or self.accelerator_ms)

    def delay_ms(self, parts: Parts) -> Floats:
        """Before each row can start."""
        if self.board is None:
            return np.zeros_like(parts.head_ms)
        wanted, now = parts.edge_accelerator, _KINDS.index(self.board.edge_accelerator)
        wakes = (wanted != now) & (wanted != _OFF)
        delay_ms: Floats = self.clock_ms * (parts.cpu_khz != self.board.cpu_khz) + self.accelerator_ms * wakes
        return delay_ms


_KINDS = list(EdgeAccelerator)
_OFF = _KINDS.index(EdgeAccelerator.OFF)

FREE = Switching()
"""Nothing to switch, or nobody knows from where."""
