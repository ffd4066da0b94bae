"""Saving a figure: the same figure gives the same bytes, and nobody sees half of one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol.errors import InvalidInput, ServiceMissing
from tools.output import check_target, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png")
STYLE: Any = {
    "svg.hashsalt": "dynasplit",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "text.color": "#222222",
}
"""Settings under which figures are made and saved."""

_DOTS_PER_INCH = 160


def check_plot_target(path: Path, *, formats: Sequence[str] = FORMATS) -> None:
    """InvalidInput when no figure could be saved there later, ServiceMissing without matplotlib: told before the work."""
    if path.suffix.lower() not in formats:
        raise InvalidInput(f"--plot {path}: the name must end in {' or '.join(formats)}")
    check_target(path)
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ServiceMissing("--plot needs the package 'matplotlib': pip install '.[tools]'") from error


def save(figure: Figure, path: Path) -> None:
    """Writes the figure in the format that the name's end tells, replacing a file that is there in one step."""
    import matplotlib as mpl

    kind = path.suffix.lower().removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    drawn = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(drawn, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)
    write_bytes(path, drawn.getvalue())
