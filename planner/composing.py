"""The method `compose`: measures parts from which the whole space follows, then what looks worth using."""

from __future__ import annotations

import numpy as np

from planner.campaign import Aim, Campaign
from planner.search import plan


def compose(campaign: Campaign, aim: Aim) -> None:
    """Measures the ends of the space and what the plan names; then others in random order while the budget lasts."""
    rng = np.random.default_rng(aim.seed)
    everything = list(campaign.space.configurations())
    ends = [item for item in everything if item.cut in (0, campaign.space.edge_only_cut)]
    rest = [everything[place] for place in rng.permutation(len(everything))]
    for configuration in (*ends, *plan(campaign.space), *rest):
        if not campaign.left:
            return
        campaign.measure(configuration)
