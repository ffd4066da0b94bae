"""The method `compose`: measures the parts from which the whole space follows, then what looks worth using.

First the anchors, then a design of parts: both ends at all clocks, every cut once, and a few of each other way to
compute. What is left goes where it is expected to improve the measured front most, by what the model of the costs
says and how sure it is; the last of it to what the front has only predicted, the fastest and the cheapest first.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from planner.averages import usable
from planner.searching.campaign import Aim, Campaign, objectives
from planner.searching.promise import promising
from planner.searching.verifying import unverified
from planner.space import Space
from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator

_ENDS_SHARE, _CUTS_SHARE, _OTHERS_SHARE = 0.1, 0.5, 0.03
"""How much of the budget the parts may take at most: the ends at other clocks, every cut, other ways to compute."""
_IN_VAIN, _LEAST = 0.2, 1e-9
"""What an ask in vain counts, and the least cost, as latency x energy: the logarithm of nothing is none."""
_STEPS = 8
"""In so many steps half of the budget is spent on what promises most; after each, all is planned anew."""
_VERIFIED_SHARE, _LEAST_VERIFIED, _AT_ONCE = 0.05, 2, 2
"""How much is kept back to measure what the front has only predicted, its ends before all else; so many at a time."""


def compose(campaign: Campaign, aim: Aim) -> None:
    """Measures anchors, parts, and then what promises most for the aim's account and link, until the budget is spent.

    InvalidInput already after the anchors where all of them were throttled: the rest would be measured in vain.
    """
    rng = np.random.default_rng(aim.seed)
    space, budget = campaign.space, campaign.left
    _measure(campaign, anchors(space))
    if first := campaign.measurements:
        usable(first)
    usual = _usual(campaign, aim)
    _measure(campaign, _thinned(list(ends(space, *usual)), round(budget * _ENDS_SHARE)))
    _cover(campaign, aim, usual, rng, most=round(budget * _CUTS_SHARE))
    _measure(campaign, _thinned(list(others(space, *usual)), round(budget * _OTHERS_SHARE)))
    step, kept = max(1, -(-budget // (2 * _STEPS))), max(_LEAST_VERIFIED, round(budget * _VERIFIED_SHARE))
    while (left := campaign.left) > kept:
        count = min(left - kept, step)
        batch = promising(campaign, aim, count=count)
        _measure(campaign, [*batch, *_by_chance(campaign, rng, count - len(batch), but=batch)])
    while left := campaign.left:
        doubtful = unverified(campaign, aim)[:_AT_ONCE] or promising(campaign, aim, count=left)
        _measure(campaign, doubtful or _by_chance(campaign, rng, left, but=()))


def anchors(space: Space) -> list[Configuration]:
    """Cloud-only and edge-only at the highest clock, in every way: what all else is compared with."""
    top_khz = max(space.clocks_khz)
    return [item for item in space.configurations() if item.cut in (0, space.edge_only_cut) and item.cpu_khz == top_khz]


def ends(space: Space, edge: EdgeAccelerator, cloud: CloudAccelerator) -> Iterator[Configuration]:
    """Cloud-only and edge-only at the other clocks, from the highest on, in the usual way."""
    for cpu_khz in sorted(space.clocks_khz, reverse=True)[1:]:
        for item in space.configurations():
            usual = (
                item.cloud_accelerator is cloud if item.cut == 0 else item.edge_accelerator is edge
            ) and item.codec is space.codecs[0]
            if item.cpu_khz == cpu_khz and item.cut in (0, space.edge_only_cut) and usual:
                yield item


def others(space: Space, edge: EdgeAccelerator, cloud: CloudAccelerator) -> Iterator[Configuration]:
    """Every other way to compute a head or a tail, at a few cuts and clocks that are far apart."""
    inner = [cut for cut in sorted(space.cuts) if 0 < cut < space.edge_only_cut]
    places = [inner[round(share * (len(inner) - 1))] for share in (0.75, 0.25, 0.5)] if inner else []
    clocks = sorted(space.clocks_khz)
    for cut, clock in zip(places, cycle((clocks[-1], clocks[0], clocks[len(clocks) // 2]))):
        for item in space.configurations():
            if (item.cut, item.cpu_khz, item.codec) != (cut, clock, space.codecs[0]):
                continue
            if (item.edge_accelerator is edge) != (item.cloud_accelerator is cloud):
                yield item


def _cover(
    campaign: Campaign,
    aim: Aim,
    usual: tuple[EdgeAccelerator, CloudAccelerator],
    rng: np.random.Generator,
    *,
    most: int,
) -> None:
    """Measures cuts with each codec once in the usual way, at clocks that vary; where one cannot be, at another.

    Every third cut comes first, then those that lie between the best: in a small budget not all have a place.
    """
    space, edge, cloud = campaign.space, *usual
    inner = [cut for cut in sorted(space.cuts) if 0 < cut < space.edge_only_cut]
    clocks = {(cut, codec): _varied(space.clocks_khz, rng) for cut in inner for codec in space.codecs}
    first = [(cut, codec) for cut in inner[1::3] for codec in space.codecs]
    for _ in range(min(most, campaign.left)):
        if not clocks:
            return
        spot = first.pop(0) if first else min(clocks, key=_Badness.of(campaign, aim))
        found = campaign.measure(Configuration(spot[0], clocks[spot].pop(0), edge, cloud, spot[1], max(space.threads)))
        if found or not clocks[spot]:
            del clocks[spot]


@dataclass(frozen=True)
class _Badness:
    """How bad the nearest cuts on both sides of a cut are, which were measured; what was asked for in vain makes it worse.

    `costs`: by cut, the least that was measured there, the cuts ascending. `asked`: how often each cut was, by codec.
    """

    costs: Mapping[int, float]
    asked: Counter[tuple[int, Codec]]

    @classmethod
    def of(cls, campaign: Campaign, aim: Aim) -> _Badness:
        costs: dict[int, float] = defaultdict(lambda: math.inf)
        known = campaign.known
        for item, found in known.items():
            if found and item.cut < campaign.space.edge_only_cut:
                cost = math.log(max(math.prod(objectives(found[0], aim.account)), _LEAST))
                costs[item.cut] = min(cost, costs[item.cut])
        return cls(dict(sorted(costs.items())), Counter((item.cut, item.codec) for item in known))

    def __call__(self, spot: tuple[int, Codec]) -> float:
        cut, cuts = spot[0], list(self.costs)
        beside = [*cuts[: bisect_left(cuts, cut)][-1:], *cuts[bisect_right(cuts, cut) :][:1]]
        nearest = sum(self.costs[other] for other in beside) / len(beside) if beside else 0.0
        return nearest + _IN_VAIN * self.asked[spot]


def _varied(clocks_khz: Sequence[int], rng: np.random.Generator) -> list[int]:
    """The clocks by chance, those of the upper half, which are rather worth using, before the others."""
    ascending = sorted(clocks_khz)
    lower, upper = np.split(np.array(ascending), [len(ascending) // 2])
    return [int(khz) for khz in (*rng.permutation(upper), *rng.permutation(lower))]


def _usual(campaign: Campaign, aim: Aim) -> tuple[EdgeAccelerator, CloudAccelerator]:
    """The accelerators that run the whole network best, there and here: by the product of latency and energy."""
    space = campaign.space
    measured = [(item.configuration, math.prod(objectives(item, aim.account))) for item in campaign.measurements]
    edge = [(cost, item.edge_accelerator) for item, cost in measured if item.cut == space.edge_only_cut]
    cloud = [(cost, item.cloud_accelerator) for item, cost in measured if item.cut == 0]
    return (
        min(edge, default=(0.0, space.accelerators[-1]))[1],
        min(cloud, default=(0.0, space.cloud_accelerators[-1]))[1],
    )


def _measure(campaign: Campaign, configurations: Sequence[Configuration]) -> None:
    for configuration in configurations:
        if campaign.measure(configuration) is None and not campaign.left:
            return


def _by_chance(
    campaign: Campaign, rng: np.random.Generator, count: int, *, but: Collection[Configuration]
) -> list[Configuration]:
    """So many of those that were not measured yet: where nothing promises anything, no choice is better."""
    known = campaign.known
    unknown = [item for item in campaign.space.configurations() if item not in known and item not in but]
    return [unknown[place] for place in rng.permutation(len(unknown))[:count]]


def _thinned(items: Sequence[Configuration], most: int) -> list[Configuration]:
    """At most so many, evenly spread."""
    places = np.unique(np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int))
    return [items[place] for place in places]
