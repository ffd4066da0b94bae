"""`nodes.toml`: a cluster as a file that people write, and that `dynasplit make-cluster` makes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from planner.pipeline.instance import FARTHEST_M, Floats, Medium
from protocol.documents import check_schema, checked, field
from protocol.errors import InvalidInput
from tools.clusters.cluster import Cluster, NodeEntry, Position, check_nodes
from tools.clusters.entries import known, numbers, table
from tools.clusters.rates import MBPS_BYTES, read_rates
from tools.output import read_text

SCHEMA = 1

_NODE_KINDS: Mapping[str, type] = {
    "name": str,
    "board": str,
    "clock_khz": int,
    "threads": int,
    "memory_mib": float,
    "idle_w": float,
    "busy_w": float,
    "send_w": float,
    "receive_w": float,
}
_NODE_FIELDS = (*_NODE_KINDS, "position_m")
_TOP_FIELDS = ("schema", "medium", "dispatcher", "nodes", "rates", "links")


def read_nodes(path: Path) -> Cluster:
    """The cluster that a file describes; InvalidInput, in one line, that names the file and what is wrong where."""
    return parse_nodes(read_text(path, what="nodes file"), what=str(path))


def parse_nodes(text: str, *, what: str) -> Cluster:
    """As `read_nodes`, of a text that `what` names."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also integers of more than 4300 digits
        raise InvalidInput(f"{what} is not valid TOML: {error}") from error
    try:
        return _cluster(content)
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error}") from error


def nodes_toml(cluster: Cluster) -> str:
    """The text that reads as this cluster again."""
    lines = [f"schema = {SCHEMA}", f"medium = {_text(cluster.medium.value)}"]
    if cluster.has_dispatcher or cluster.dispatcher_m is not None:
        lines += ["", "[dispatcher]"]
        lines += [f"position_m = {_row(cluster.dispatcher_m)}"] if cluster.dispatcher_m is not None else []
    for node in cluster.nodes:
        lines += ["", "[[nodes]]", *_node_lines(node)]
    lines += ["", "[rates]", "mbps = [", *(f"    {_row(row / MBPS_BYTES)}," for row in cluster.rate), "]"]
    if cluster.has_dispatcher:
        lines += [f"from_dispatcher_mbps = {_row(cluster.rate_in / MBPS_BYTES)}"]
        lines += [f"to_dispatcher_mbps = {_row(cluster.rate_out / MBPS_BYTES)}"]
    return "\n".join(lines) + "\n"


def _node_lines(node: NodeEntry) -> list[str]:
    defaults = {each.name: each.default for each in fields(NodeEntry) if each.default is not MISSING}
    written = [name for name in _NODE_FIELDS if name not in defaults or getattr(node, name) != defaults[name]]
    return [f"{name} = {_value(getattr(node, name))}" for name in written]


def _value(value: str | float | Position) -> str:
    if isinstance(value, str):
        return _text(value)
    return _row(value) if isinstance(value, tuple) else repr(value)


def _text(value: str) -> str:
    """A basic string of TOML 1.0: what may not stand in one is escaped."""
    escaped = (f"\\u{ord(each):04x}" if each < " " or each in '"\\\x7f' else each for each in value)
    return f'"{"".join(escaped)}"'


def _row(values: Sequence[float] | Floats) -> str:
    # Twelve digits keep what was given; the last ones of a double only tell of the change of units.
    return f"[{', '.join(repr(float(f'{value:.12g}')) for value in values)}]"


def _cluster(content: Mapping[str, Any]) -> Cluster:
    known(content, _TOP_FIELDS, where="")
    check_schema(content, current=SCHEMA, what="the file")
    entries = checked(content.get("nodes", []), list, what="'nodes'")
    nodes = tuple(_node(entry, where=f"nodes[{index}]") for index, entry in enumerate(entries))
    check_nodes(nodes)
    dispatcher = table(content, "dispatcher")
    known(dispatcher, ("position_m",), where="dispatcher: ")
    rates = read_rates(content, tuple(node.name for node in nodes))
    return Cluster(
        nodes,
        rates.between,
        rates.to_nodes,
        rates.from_nodes,
        medium=_medium(content),
        dispatcher_m=_position(dispatcher, where="dispatcher"),
    )


def _medium(content: Mapping[str, Any]) -> Medium:
    name = checked(content.get("medium", Medium.LINKS.value), str, what="'medium'")
    if name not in {each.value for each in Medium}:
        raise InvalidInput(f"'medium' must be one of {', '.join(Medium)}, not {name!r:.40}")
    return Medium(name)


def _node(entry: Any, *, where: str) -> NodeEntry:
    checked(entry, dict, what=where)
    known(entry, _NODE_FIELDS, where=f"{where}: ")
    for needed in ("name", "memory_mib"):
        field(entry, needed, _NODE_KINDS[needed], what=where)
    values = {
        name: checked(entry[name], kind, what=f"{where}: '{name}'")
        for name, kind in _NODE_KINDS.items()
        if name in entry
    }
    return NodeEntry(**values, position_m=_position(entry, where=where))


def _position(entry: Mapping[str, Any], *, where: str) -> Position | None:
    if "position_m" not in entry:
        return None
    values = numbers(entry["position_m"], what=f"{where}: 'position_m'")
    if len(values) != 2:
        raise InvalidInput(f"{where}: 'position_m' must be two numbers, x and y in metres, not {len(values)}")
    if far := [value for value in values if abs(value) > FARTHEST_M]:
        raise InvalidInput(f"{where}: 'position_m' must lie within {FARTHEST_M:g} m of 0, not at {far[0]:g}")
    return values[0], values[1]
