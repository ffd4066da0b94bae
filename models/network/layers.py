"""Names for people: which layer an operator belongs to, told from the converter's tensor names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_TELLING_NOTHING = ("StatefulPartitionedCall", "PartitionedCall", "tfl.", "arith.", "Identity")


def layer_name(tensor_name: str) -> str:
    """The layer in a converter's tensor name: `vgg_1/block1_relu1_1/Relu;vgg_1/…` gives `block1_relu1`.

    Keras 3 adds `_1` to every part of the path, which is taken off again. Names that tell nothing give ''.
    """
    first = tensor_name.partition(";")[0].partition(":")[0]
    if first.startswith(_TELLING_NOTHING):
        return ""
    path = first.split("/")
    scopes = path[:-1] or path
    if len(path) > 1 and all(scope.endswith("_1") for scope in scopes):
        scopes = [scope.removesuffix("_1") for scope in scopes]
    return scopes[-1]


def names_of_cuts(layers: Sequence[str], operators: Sequence[str]) -> tuple[str, ...]:
    """One name per cut point, `input` and `output` at the ends; no two are equal.

    `layers` and `operators` tell of each operator its layer and its kind, such as CONV_2D. A layer of several operators
    gets the kind added, and where that is not enough, the number of the cut point.
    """
    repeated = {layer for layer, count in Counter(layers[:-1]).items() if count > 1}
    names = [
        f"{layer}/{operator.lower()}" if layer in repeated else layer
        for layer, operator in zip(layers[:-1], operators[:-1], strict=True)
    ]
    names = ["input", *names, "output"]
    while repeated := {name for name, count in Counter(names).items() if count > 1}:
        inner = (f"{name}_{cut}" if name in repeated else name for cut, name in enumerate(names[1:-1], start=1))
        names = ["input", *inner, "output"]
    return tuple(names)
