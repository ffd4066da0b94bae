"""Saving a figure: the same figure gives the same bytes, and nobody sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol.errors import InvalidInput, ServiceMissing

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
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise InvalidInput(f"--plot {path}: give a file in a folder that exists and can be written")
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ServiceMissing("--plot needs the package 'matplotlib': pip install '.[tools]'") from error


def save(figure: Figure, path: Path) -> None:
    """Writes the figure in the format that the name's end tells, replacing a file that is there in one step."""
    import matplotlib as mpl

    kind = path.suffix.lower().removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.absolute().parent) as folder:
            temporary = Path(folder) / path.name
            with mpl.rc_context(STYLE):
                figure.savefig(temporary, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)
            temporary.replace(path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error
