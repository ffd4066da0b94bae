"""Operators that LiteRT computes as one: a cut between them would give other bits than the whole network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.network.operators import Operator

_SUMS = ("SUM", "MEAN")


def summed_squares(operators: Sequence[Operator]) -> Mapping[int, tuple[Operator, Operator]]:
    """Of each tensor of squares that is summed or averaged: what makes it, and the last operator that sums it.

    XNNPACK sums float squares without rounding them first (LiteRT 2.3.0, in both runners). Quantised ones count as well, so
    that the files of one model have the same cut points. Of the other pairs that it might join,
    such as products with sums, square roots with quotients, or those of softmax, GELU and swish, no cut was seen to change a bit.
    """
    squares = {operator.outputs[0]: operator for operator in operators if _squares(operator)}
    return {
        index: (squares[index], operator)
        for operator in operators
        if operator.name in _SUMS
        for index in operator.slots[:1]
        if index in squares
    }


def _squares(operator: Operator) -> bool:
    if operator.derived or not operator.outputs:
        return False
    return operator.name == "SQUARE" or (operator.name == "MUL" and operator.slots[0] == operator.slots[1])
