"""The rates of a nodes file: as matrices in the order of the nodes, or as a list of links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.pipeline.instance import RATES_MBPS, Floats
from protocol.documents import checked, field
from protocol.errors import InvalidInput
from tools.clusters.cluster import DISPATCHER_NAME
from tools.clusters.entries import known, numbers, table

MBPS_BYTES = 1e6 / 8
"""A rate of one Mbit/s in bytes per second."""

_RATE_FIELDS = ("mbps", "from_dispatcher_mbps", "to_dispatcher_mbps")
_LINK_FIELDS = ("from", "to", "mbps", "both")


class Rates:
    """Bytes per second, filled as they are read: between the nodes [N, N], and from and to the dispatcher [N], where a way that
    nobody named does not exist; without a dispatcher these cost nothing."""

    def __init__(self, names: tuple[str, ...], *, dispatcher: bool) -> None:
        self.names, self.dispatcher = names, dispatcher
        count, free = len(names), 0.0 if dispatcher else np.inf
        self.between = np.zeros((count, count))
        self.to_nodes, self.from_nodes = np.full(count, free), np.full(count, free)

    def index(self, name: str, *, where: str) -> int:
        if name not in self.names:
            raise InvalidInput(f"{where}: there is no node {name!r:.40}")
        return self.names.index(name)

    def put(self, sender: str, receiver: str, rate: float, *, where: str) -> None:
        """One direction of a link; InvalidInput where it was named before, or cannot be."""
        if sender == receiver:
            raise InvalidInput(f"{where}: {sender} needs no link to itself")
        if DISPATCHER_NAME in (sender, receiver) and not self.dispatcher:
            raise InvalidInput(f"{where}: there is no dispatcher: add the table [dispatcher]")
        if sender == DISPATCHER_NAME:
            row, at = self.to_nodes, self.index(receiver, where=where)
        elif receiver == DISPATCHER_NAME:
            row, at = self.from_nodes, self.index(sender, where=where)
        else:
            row, at = self.between[self.index(sender, where=where)], self.index(receiver, where=where)
        if row[at]:
            raise InvalidInput(f"{where}: the link from {sender} to {receiver} is named twice")
        row[at] = rate


def read_rates(content: Mapping[str, Any], names: tuple[str, ...]) -> Rates:
    """What a nodes file says of its links; InvalidInput that says what is wrong where."""
    if ("rates" in content) == ("links" in content):
        raise InvalidInput("give what lies between the nodes once: as [rates], or as [[links]]")
    found = Rates(names, dispatcher="dispatcher" in content)
    if "rates" in content:
        _fill_from_matrix(found, table(content, "rates"))
    else:
        for index, link in enumerate(checked(content["links"], list, what="'links'")):
            _fill_from_link(found, link, where=f"links[{index}]")
    return found


def _fill_from_matrix(found: Rates, rates: Mapping[str, Any]) -> None:
    known(rates, _RATE_FIELDS, where="rates: ")
    count = len(found.names)
    rows = field(rates, "mbps", list, what="rates")
    if len(rows) != count:
        raise InvalidInput(f"rates: 'mbps' must have a row for each of the {count} nodes, not {len(rows)}")
    for index, row in enumerate(rows):
        found.between[index] = _rate_row(row, count, what=f"rates: 'mbps'[{index}]")
    np.fill_diagonal(found.between, 0.0)
    for name, row in (("from_dispatcher_mbps", found.to_nodes), ("to_dispatcher_mbps", found.from_nodes)):
        if name in rates and not found.dispatcher:
            raise InvalidInput(f"rates: '{name}' needs a dispatcher: add the table [dispatcher]")
        if found.dispatcher:
            row[:] = _rate_row(field(rates, name, list, what="rates"), count, what=f"rates: '{name}'")


def _rate_row(values: Any, count: int, *, what: str) -> Floats:
    rates = numbers(values, what=what)
    if len(rates) != count:
        raise InvalidInput(f"{what} must have an entry for each of the {count} nodes, not {len(rates)}")
    return np.array([_rate(rate, what=f"{what}[{index}]") for index, rate in enumerate(rates)])


def _fill_from_link(found: Rates, link: Any, *, where: str) -> None:
    checked(link, dict, what=where)
    known(link, _LINK_FIELDS, where=f"{where}: ")
    sender, receiver = (field(link, end, str, what=where) for end in ("from", "to"))
    rate = _rate(field(link, "mbps", float, what=where), what=f"{where}: 'mbps'")
    both = checked(link.get("both", True), bool, what=f"{where}: 'both'")
    found.put(sender, receiver, rate, where=where)
    if both:
        found.put(receiver, sender, rate, where=where)


def _rate(mbps: float, *, what: str) -> float:
    if mbps < 0:
        raise InvalidInput(f"{what} must be 0 or more, not {mbps}")
    least, most = RATES_MBPS
    if mbps and not least <= mbps <= most:
        raise InvalidInput(f"{what} must be 0, or {least:g} to {most:g} Mbit/s, not {mbps}")
    return mbps * MBPS_BYTES
