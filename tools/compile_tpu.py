"""Compile the int8 heads of a bundle for a Coral Edge TPU, by Coral's own edgetpu_compiler.

Each cut's head is compiled whole, since a TPU takes one network at a time, and goes into the bundle as an artifact. The bundle's
id changes with it. A head that the compiler refuses is left out: it runs on the CPU. Exit codes: 0 good, 1 nothing could be
compiled, 2 refused, 4 the compiler is not installed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.bundle import Bundle
from models.cutting.edgetpu import Compiled, compilable_cuts, compile_heads, find_compiler, with_compiled_heads
from protocol.errors import DynaSplitError, InvalidInput
from tools.output import add_json_argument, check_json_target, console, write_json
from tools.progress import progress

SUMMARY = "compile a bundle's int8 heads for an Edge TPU"

TIMEOUT_S = 180


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="BUNDLE", help="the new bundle's folder (default: the old one is replaced)"
    )
    parser.add_argument("--compiler", type=Path, metavar="PATH", help="edgetpu_compiler, where it is not in PATH")
    parser.add_argument("--cuts", default="all", help="all (the default), or a list such as 2,5,9")
    parser.add_argument(
        "--timeout", type=int, default=TIMEOUT_S, metavar="S", help="seconds for each head (default: %(default)s)"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    check_json_target(arguments.json)
    try:
        bundle, heads = _compile(arguments)
        made = _written(bundle, arguments.output or arguments.bundle, heads)
    except DynaSplitError as error:
        write_json(arguments.json, {"refused": str(error)})
        raise
    facts = _facts(bundle, made, heads) | {"seconds": round(time.monotonic() - started, 3)}
    _show(bundle, made, heads, console())
    write_json(arguments.json, facts)
    return 0 if made else 1


def _compile(arguments: argparse.Namespace) -> tuple[Bundle, list[Compiled]]:
    if arguments.timeout < 1:
        raise InvalidInput(f"--timeout takes seconds, 1 or more, not {arguments.timeout}")
    bundle = Bundle.open(arguments.bundle)
    cuts = compilable_cuts(bundle.manifest, _cuts(arguments.cuts))
    compiler = find_compiler(arguments.compiler)
    with progress("compiling", len(cuts)) as step:
        return bundle, list(compile_heads(bundle, compiler, cuts, timeout_s=arguments.timeout, step=step))


def _cuts(words: str) -> tuple[int, ...] | None:
    if words == "all":
        return None
    try:
        return tuple(sorted({int(word) for word in words.split(",")}))
    except ValueError as error:
        raise InvalidInput(f"--cuts must be all or a list such as 2,5,9, not {words!r:.40}") from error


def _written(bundle: Bundle, folder: Path, heads: Sequence[Compiled]) -> Bundle | None:
    """The new bundle; None, with nothing written, where no head could be compiled."""
    return with_compiled_heads(bundle, folder, heads) if any(head.content for head in heads) else None


def _facts(bundle: Bundle, made: Bundle | None, heads: Sequence[Compiled]) -> dict[str, Any]:
    return {
        "network": bundle.manifest.network,
        "compiled_from": bundle.digest,
        "bundle": made.digest if made else None,
        "heads": [
            {
                "cut": head.cut,
                "name": bundle.manifest.cut(head.cut).name,
                "bytes": len(head.content),
                "failure": head.failure or None,
                "report": head.report.to_json() if head.report else None,
            }
            for head in heads
        ],
        "refused": None,
    }


def _show(bundle: Bundle, made: Bundle | None, heads: Sequence[Compiled], out: Console) -> None:
    table = Table(title=f"{bundle.manifest.network}: heads on an Edge TPU")
    for heading in ("cut", "after", "on TPU", "on CPU", "on-chip", "off-chip"):
        table.add_column(heading, justify="left" if heading == "after" else "right")
    for head in heads:
        name = escape(bundle.manifest.cut(head.cut).name)
        if head.report is None or head.failure:
            table.add_row(str(head.cut), name, "[bold red]left out", "", "", "")
            continue
        memory = [_mib(size) for size in (head.report.on_chip_bytes, head.report.off_chip_bytes)]
        table.add_row(str(head.cut), name, str(head.report.on_tpu), str(head.report.on_cpu), *memory)
    out.print(table)
    for head in heads:
        if head.failure:
            out.print(f"cut {head.cut} is left out and runs on the CPU: {escape(head.failure)}")
    if made:
        out.print(
            f"{made.folder}: bundle {made.digest:.12}, made from {bundle.digest:.12}: tables for that one do not fit it"
        )
    else:
        out.print("no head could be compiled; the bundle is as it was")


def _mib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / (1 << 20):.2f} MiB"


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["compile-tpu", *sys.argv[1:]]))
