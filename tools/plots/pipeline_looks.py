"""What drawings of a pipeline share: its colours."""

from __future__ import annotations

import numpy as np

RED, GREY = "#D55E00", "#9AA5AE"
"""Told apart by people who see colours differently (Okabe and Ito, 2008)."""

Colour = tuple[float, float, float, float]


def stage_colours(count: int) -> list[Colour]:
    """One for each stage, from the first to the last; dark enough for white letters."""
    import matplotlib as mpl

    shades = mpl.colormaps["viridis"](np.linspace(0.05, 0.72, max(count, 2)))
    return [(float(red), float(green), float(blue), float(opacity)) for red, green, blue, opacity in shades[:count]]
