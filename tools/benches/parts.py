"""What all benches do: measure one part after the other, hold it to its targets, and keep what was found so far."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tools.benches.circumstances import circumstances
from tools.benches.figures import Target
from tools.output import console, write_json


@dataclass(frozen=True)
class Part:
    """A measurement, by the name under which it is told, and the targets of what it finds."""

    name: str
    measure: Callable[[], Any]
    targets: Callable[[Any], Iterable[Target]] = lambda _: ()


def measured(
    arguments: argparse.Namespace, parts: Sequence[Part], *, within: str = "", **beside: Any
) -> dict[str, Any]:
    """The facts of a bench, written to `--json` after each part: `complete` with the last, `met` where all targets are.

    Parts stand side by side, or `within` one entry.
    """
    started_s, out = time.monotonic(), console()
    facts: dict[str, Any] = circumstances() | {"quick": arguments.quick} | beside
    found: dict[str, Any] = facts.setdefault(within, {}) if within else facts
    targets: list[Target] = []
    for done, part in enumerate(parts, start=1):
        out.print(f"measuring {part.name} …")
        found[part.name] = part.measure()
        targets += part.targets(found[part.name])
        facts["targets"], facts["met"] = [each.to_json() for each in targets], all(each.met for each in targets)
        facts["seconds"], facts["complete"] = round(time.monotonic() - started_s, 1), done == len(parts)
        if arguments.json != "-" or facts["complete"]:
            write_json(arguments.json, facts)
    return facts
