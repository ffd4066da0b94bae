"""The published data that some benches measure on. It is not part of DynaSplit: its folder is given."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from protocol.errors import InvalidInput

_VARIABLE = "DYNASPLIT_REFERENCE"


def add_reference_argument(parser: argparse.ArgumentParser) -> None:
    """`--reference`, the folder of the published data."""
    parser.add_argument(
        "--reference",
        type=Path,
        default=os.environ.get(_VARIABLE),
        metavar="DIR",
        help=f"folder of the published data (default: {_VARIABLE})",
    )


def reference_of(arguments: argparse.Namespace, *, source: str = "") -> Path:
    """The folder. InvalidInput where none is given, with the `source` of the data."""
    if not arguments.reference:
        where = f"; {source}" if source else ""
        raise InvalidInput(f"give the folder of the published data with --reference or {_VARIABLE}{where}")
    return Path(arguments.reference)
