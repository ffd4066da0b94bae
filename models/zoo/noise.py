"""Images of nothing that look natural to a network: seeded noise with detail of every size, coarse strongest."""

from __future__ import annotations

import numpy as np

from protocol.tensors import Array

_GRAIN = (1, 2, 4, 8, 16, 32)
"""Sides of the squares, in pixels; amplitude grows with them, as in photographs (Field, 1987)."""


def noise_images(count: int, side: int, channels: int = 3, *, seed: int) -> Array:
    """uint8 [count, side, side, channels], spread over 0-255; the same for the same seed."""
    random = np.random.default_rng(seed)
    field = np.zeros((count, side, side, channels), np.float32)
    for grain in _GRAIN:
        cells = -(-side // grain)
        coarse = random.standard_normal((count, cells, cells, channels), dtype=np.float32)
        field += grain * coarse.repeat(grain, axis=1).repeat(grain, axis=2)[:, :side, :side]
    spread = np.linalg.norm(_GRAIN)
    return np.clip(np.rint(127.5 + 50 * field / spread), 0, 255).astype(np.uint8)
