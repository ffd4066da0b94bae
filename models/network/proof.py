"""Does the runtime open a network, run it, and find in it what the file says?"""

from __future__ import annotations

from pathlib import Path

from models.network.data_types import DATATYPES
from models.network.graph import Graph
from models.network.trial import ask
from protocol.errors import InvalidInput


def prove(path: Path, graph: Graph) -> None:
    """InvalidInput, in one line, where the runtime refuses to open this network, crashes on it, does not come to an end,
    or computes tensors of other shapes or types than the file says.

    It is opened and run once on zeros, as it would be in a runner. An error of that one run is none: zeros need not be a
    valid input.
    """
    found = ask(path, "prove")["tensors"]
    crossing = {index for cut in range(1, graph.operator_count) for index in graph.boundary(cut)}
    for index in sorted(crossing.union(graph.outputs.values()) - set(graph.loose)):
        tensor = graph.tensors[index]
        said = [list(tensor.shape), graph.spec(index, "").dtype.name if tensor.type_name in DATATYPES else None]
        shape, kind = found[index] or (None, None)
        if shape != said[0] or said[1] not in (None, kind):
            raise InvalidInput(
                f"{path} is damaged: tensor '{tensor.name}' is {tensor.type_name} {said[0]} there, "
                f"LiteRT makes it {kind} {shape}"
            )
