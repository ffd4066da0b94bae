"""Look at a .tflite network: its operators in order, and what crosses at every cut point.

A cut point k lies after the first k operators, so that each row below tells of an operator and of the cut behind it. Good
cuts are marked *: one tensor crosses, and it is smaller than what crosses at any earlier cut point, the input included.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.network.good_cuts import good_cuts
from models.network.graph import Graph, read_graph
from models.network.operators import Operator
from protocol.errors import DynaSplitError
from protocol.work import Work, total
from tools.output import add_json_argument, check_json_target, console, write_json
from tools.plots.figures import check_plot_target
from tools.plots.network import draw_network

_HEADINGS = ("cut", "after layer", "operator", "result", "M macs", "weights\nkB", "crossing\nbytes", "work\n%")
_TEXTS = (1, 2, 3)
_LEAST, _GAP = 6, 2
_LAYER_FIRST = 3
"""So many characters more are left to the layer's name than to the other texts."""
_EXACT_ENOUGH = 1000
"""From this figure on, decimals only take room."""

SUMMARY = "look at a .tflite network and where it can be cut"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=Path, metavar="NET.tflite", help="the network")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg|png", help="draw boundary bytes and work over the cuts")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    if arguments.plot:
        check_plot_target(arguments.plot)
    try:
        graph = read_graph(arguments.network)
    except DynaSplitError as error:
        write_json(arguments.json, {"refused": str(error)})
        raise
    facts = describe(graph, arguments.network)
    if arguments.plot:
        draw_network(facts, arguments.plot)
    show(facts, console())
    write_json(arguments.json, facts)
    return 0


def describe(graph: Graph, path: Path) -> dict[str, Any]:
    """What `--json` holds: the file, operators, cut points, good cuts and totals."""
    good = good_cuts(graph)
    work = total(operator.work for operator in graph.operators)
    points = _cut_points(graph, good)
    return {
        "network": path.stem,
        "digest": graph.digest,
        "bytes": path.stat().st_size,
        "refused": graph.obstacle or None,
        "inputs": [_tensor(graph, index, name) for name, index in graph.inputs.items()],
        "outputs": [_tensor(graph, index, name) for name, index in graph.outputs.items()],
        "operators": [_operator(graph, operator) for operator in graph.operators],
        "cut_points": points,
        "good_cuts": list(good),
        "totals": {
            "operators": graph.operator_count,
            "macs": work.total_macs,
            "macs_by_kind": dict(sorted(work.macs.items())),
            "weight_bytes": work.weight_bytes,
            "cut_points": sum(point["possible"] for point in points),
            "single": sum(point["possible"] and len(point["boundary"]) == 1 for point in points),
        },
    }


def _operator(graph: Graph, operator: Operator) -> dict[str, Any]:
    return {
        "index": operator.index,
        "name": operator.name,
        "layer": graph.layer(operator),
        "outputs": [_tensor(graph, index) for index in operator.outputs],
        "macs": operator.work.total_macs,
        "weight_bytes": operator.work.weight_bytes,
        "activation_bytes": operator.work.activation_bytes,
        "on_both_sides": operator.derived,
        "calls": list(operator.calls),
    }


def _cut_points(graph: Graph, good: tuple[int, ...]) -> list[dict[str, Any]]:
    """Every cut point, those too where the network cannot be cut; its ends always can."""
    head, points = Work(), []
    for cut in range(graph.operator_count + 1):
        if cut:
            head += graph.operators[cut - 1].work
        within = 0 < cut < graph.operator_count
        obstacle = graph.obstacle or (graph.obstacle_at(cut) if within else "")
        points.append(
            {
                "index": cut,
                "name": graph.cut_name(cut),
                "boundary": [_tensor(graph, index) for index in graph.boundary(cut)],
                "boundary_bytes": graph.boundary_bytes(cut),
                "head_macs": head.total_macs,
                "possible": not obstacle,
                "obstacle": obstacle or None,
                "good": cut in good,
            }
        )
    return points


def _tensor(graph: Graph, index: int, name: str = "") -> dict[str, Any]:
    """`varies`: the shape depends on the data, so that shape and bytes say nothing."""
    tensor = graph.tensors[index]
    return {
        "name": name or tensor.name,
        "type": tensor.type_name,
        "shape": list(tensor.shape),
        "bytes": tensor.nbytes,
        "varies": index in graph.loose,
    }


def show(facts: Mapping[str, Any], out: Console) -> None:
    """Prints the table, and below it what it means."""
    totals = facts["totals"]
    out.print(_table(facts, out.width))
    out.print(
        f"{totals['operators']} operators, {totals['macs'] / 1e6:,.1f} M multiply-accumulates, "
        f"{totals['weight_bytes']:,} bytes of weights, file of {facts['bytes']:,} bytes."
    )
    if any(operator["calls"] for operator in facts["operators"]):
        out.print("A loop counts as one pass, a branch as the dearer one: how often they run is known only then.")
    if facts["refused"]:
        out.print(f"[bold red]It cannot be cut:[/] {escape(facts['refused'])}")
        return
    good = ", ".join(f"{cut} ({escape(facts['cut_points'][cut]['name'])})" for cut in facts["good_cuts"])
    out.print(
        f"{totals['cut_points']} cut points with cloud-only and edge-only, {totals['single']} of them with one tensor. "
        f"Good cuts: {good or 'none; no later boundary is smaller than the input'}."
    )


def _table(facts: Mapping[str, Any], width: int) -> Table:
    """Eight columns within `width` characters: names are shortened, figures never."""
    rows = [_row(facts, point) for point in facts["cut_points"]]
    table = Table(title=escape(facts["network"]), box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    widths = _widths(rows, width)
    for place, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="left" if place in _TEXTS else "right", no_wrap=True, width=widths[place])
    for row, point in zip(rows, facts["cut_points"], strict=True):
        cells = (escape(_shortened(cell, limit)) for cell, limit in zip(row, widths, strict=True))
        table.add_row(*cells, style="bold green" if point["good"] else None)
    return table


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Characters per column; the widest text gives way first, down to _LEAST."""
    widths = [
        max(len(cell) for cell in (*(row[place] for row in rows), *heading.split("\n")))
        for place, heading in enumerate(_HEADINGS)
    ]
    room = width - _GAP * len(widths)
    while sum(widths) > room:
        widest = max(_TEXTS, key=lambda place: widths[place] - (_LAYER_FIRST if place == 1 else 0))
        if widths[widest] <= _LEAST:
            break
        widths[widest] -= 1
    return widths


def _shortened(text: str, limit: int) -> str:
    """Both ends stay: layers of one block differ at the end."""
    if len(text) <= limit:
        return text
    start = (limit - 1) // 2
    return f"{text[:start]}…{text[len(text) - (limit - 1 - start) :]}"


def _row(facts: Mapping[str, Any], point: Mapping[str, Any]) -> list[str]:
    cut, whole = point["index"], facts["totals"]["macs"]
    share = f"{100 * point['head_macs'] / whole:.0f}" if whole else ""
    mark = "*" if point["good"] else ""
    if cut == 0:
        shapes = " ".join(_sides(tensor) for tensor in facts["inputs"])
        return ["0", "input", "", shapes, "", "", _crossing(point), share]
    operator = facts["operators"][cut - 1]
    shapes = " ".join(_sides(tensor) for tensor in operator["outputs"])
    name = point["name"] if cut < len(facts["operators"]) else operator["layer"]
    figures = [_in_units(operator["macs"], 1e6), _in_units(operator["weight_bytes"], 1e3)]
    return [f"{mark}{cut}", name, operator["name"], shapes, *figures, _crossing(point), share]


def _in_units(value: int, unit: float) -> str:
    if not value:
        return ""
    if value >= _EXACT_ENOUGH * unit:
        return f"{value / unit:,.0f}"
    return f"{value / unit:.1f}" if value >= unit / 10 else "<0.1"


def _crossing(point: Mapping[str, Any]) -> str:
    """Bytes, behind the number of tensors where they are several; a dash where the network cannot be cut."""
    if not point["possible"]:
        return "-"
    count = len(point["boundary"])
    return f"{count}: {point['boundary_bytes']:,}" if count > 1 else f"{point['boundary_bytes']:,}"


def _sides(tensor: Mapping[str, Any]) -> str:
    if tensor["varies"]:
        return "varies"
    return "x".join(map(str, tensor["shape"])) or "1"


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["inspect", *sys.argv[1:]]))
