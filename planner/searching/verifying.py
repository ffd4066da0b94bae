"""What the front still owes a measurement: a table shall not begin or end with a prediction."""

from __future__ import annotations

from planner.averages import median_link
from planner.costs.composition import fit
from planner.pareto import front
from planner.pricing import Parts
from planner.searching.campaign import Aim, Campaign
from planner.suspects.sifting import Sifted
from protocol.configuration import Configuration


def unverified(campaign: Campaign, aim: Aim) -> list[Configuration]:
    """The configurations of the predicted front that nobody has asked for: the fastest first, then the one of least energy,
    then those between, the fastest first.

    What was asked for in vain is on no front. InvalidInput for an account whose energy was not measured.
    """
    known = campaign.known
    sound = Sifted.of(campaign.measurements).sound if campaign.measurements else []
    if not sound:
        return []
    model = fit(sound, boundaries=campaign.space.boundaries)
    able = [item for item in campaign.space.configurations() if model.gap(item) is None and known.get(item, True)]
    if not able:
        return []
    parts = Parts.of([model.row(item) for item in able])
    chosen = front(parts.priced(aim.link or median_link(sound), aim.account)).tolist()
    ends_first = dict.fromkeys([chosen[0], chosen[-1], *chosen])
    return [able[place] for place in ends_first if able[place] not in known]
