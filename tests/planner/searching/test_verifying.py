import pytest

from planner.searching.campaign import Aim, Campaign, LocalLedger
from planner.searching.composing import compose
from planner.searching.verifying import unverified
from planner.space import Space
from protocol.configuration import CloudAccelerator, EdgeAccelerator
from protocol.link import Link

SPACE = Space(
    cuts=tuple(range(7)),
    clocks_khz=(600_000, 1_000_000, 1_400_000, 1_800_000),
    accelerators=(EdgeAccelerator.OFF, EdgeAccelerator.MAX),
    cloud_accelerators=tuple(CloudAccelerator),
)


class Device:
    def __init__(self, world, *, missing=lambda _configuration: False):
        self.world, self.missing = world, missing

    def measure(self, configuration):
        return [] if self.missing(configuration) else self.world.measure([configuration])


def campaign_of(device, budget) -> Campaign:
    return Campaign(SPACE, device, LocalLedger(budget))


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(2))
def test_the_fastest_and_the_cheapest_of_the_front_were_measured(world, seed):
    campaign = campaign_of(Device(world), 25)
    compose(campaign, Aim(seed=seed))

    every = [world.measure([item])[0] for item in SPACE.configurations()]
    fastest = min(every, key=lambda item: item.cost.latency_ms)
    cheapest = min(every, key=lambda item: item.cost.edge_mj + item.cost.cloud_node_mj)
    assert {fastest.configuration, cheapest.configuration} <= set(campaign.known)


def test_the_ends_of_the_front_come_first(world):
    campaign = campaign_of(Device(world), 60)
    for item in SPACE.configurations():
        if item.cpu_khz == 1_000_000 or item.cut == 3:
            campaign.measure(item)

    owed = unverified(campaign, Aim(link=Link(rtt_ms=0.1, up_bytes_per_ms=5000, down_bytes_per_ms=5000)))

    cuts = [item.cut for item in owed]
    assert cuts[:2] == [0, 6], "over this link cloud-only is fastest; edge-only costs least"
    assert len(cuts) > 3
    assert cuts[2:] == sorted(cuts[2:])


def test_what_was_asked_for_in_vain_is_owed_nothing(world):
    campaign = campaign_of(Device(world, missing=lambda item: item.cpu_khz == 600_000), SPACE.size)
    for item in SPACE.configurations():
        campaign.measure(item)

    assert unverified(campaign, Aim()) == []


def test_before_anything_is_measured_there_is_nothing_to_verify(world):
    assert unverified(campaign_of(Device(world), 5), Aim()) == []
