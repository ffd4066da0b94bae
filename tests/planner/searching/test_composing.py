from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.hypervolume import hypervolume, reference_point
from planner.searching.campaign import Aim, Campaign, LocalLedger, asks_of, exhaustive, objectives
from planner.searching.composing import anchors, compose
from planner.searching.recorded import RecordedTrials
from planner.space import Space
from protocol.configuration import Account, CloudAccelerator, Codec, EdgeAccelerator
from protocol.errors import InvalidInput
from tools.measurements.published import read_published

SPACE = Space(
    cuts=tuple(range(7)),
    clocks_khz=(600_000, 1_000_000, 1_400_000, 1_800_000),
    codecs=(Codec.RAW, Codec.INT8_ZSTD),
    accelerators=(EdgeAccelerator.OFF, EdgeAccelerator.MAX),
    cloud_accelerators=tuple(CloudAccelerator),
)


class Device:
    """Measures in the world of additive costs; what `missing` says of cannot be measured."""

    def __init__(self, world, missing=lambda _configuration: False):
        self.world, self.missing, self.asked = world, missing, Counter()

    def measure(self, configuration):
        self.asked[configuration] += 1
        return [] if self.missing(configuration) else self.world.measure([configuration])


def composed(device, budget, *, space=SPACE, **aim):
    campaign = Campaign(space, device, LocalLedger(budget))
    compose(campaign, Aim(**aim))
    return campaign


@pytest.mark.exhaustive(sample=2)
@pytest.mark.parametrize("budget", [1, 5, 30])
def test_it_spends_the_budget_and_measures_nothing_twice(world, budget):
    device = Device(world)

    composed(device, budget)

    assert device.asked.total() == len(device.asked) == budget


@pytest.mark.exhaustive
def test_with_budget_enough_it_measures_everything(world):
    device, space = (
        Device(world),
        replace(SPACE, codecs=(Codec.RAW,), cuts=(0, 1, 4, 6), cloud_accelerators=(CloudAccelerator.CPU,)),
    )

    composed(device, 10_000, space=space)

    assert set(device.asked) == set(space.configurations())


def test_where_all_is_throttled_it_ends_after_the_anchors(world):
    class Hot(Device):
        def measure(self, configuration):
            return [replace(item, throttled=True) for item in super().measure(configuration)]

    device = Hot(world)

    with pytest.raises(InvalidInput, match="cool the device"):
        composed(device, 60)
    assert set(device.asked) == set(anchors(SPACE))


class Counting(LocalLedger):
    """Says how often it was asked, as if each time cost something."""

    def __init__(self, budget):
        super().__init__(budget)
        self.asked = Counter()

    def known(self):
        self.asked["known"] += 1
        return super().known()

    def left(self):
        self.asked["left"] += 1
        return super().left()


@pytest.mark.exhaustive
def test_the_ledger_is_asked_once_a_step_and_not_for_every_configuration_of_the_space(world):
    ledger = Counting(40)

    compose(Campaign(SPACE, Device(world), ledger), Aim())

    assert ledger.asked["known"] <= 3 * 40
    assert ledger.asked["left"] <= 40


@pytest.mark.exhaustive
def test_the_anchors_are_always_measured(world):
    campaign = composed(Device(world), 20)

    top_khz = max(SPACE.clocks_khz)
    assert set(anchors(SPACE)) <= set(campaign.known)
    assert {item.cut for item in anchors(SPACE)} == {0, 6}
    assert {item.cpu_khz for item in anchors(SPACE)} == {top_khz}


@pytest.mark.exhaustive
def test_the_seed_decides_what_is_measured(world):
    one, same, other = (list(composed(Device(world), 30, seed=seed).known) for seed in (4, 4, 5))

    assert one == same
    assert one != other


@pytest.mark.exhaustive
@pytest.mark.parametrize("account", Account)
def test_a_fifth_of_the_space_finds_nearly_the_whole_front(world, account):
    everything = Campaign(SPACE, Device(world), LocalLedger(10_000))
    exhaustive(everything, Aim())
    points = [objectives(item, account) for item in everything.measurements]
    corner = reference_point(points)

    found = composed(Device(world), SPACE.size // 5, account=account).measurements

    reached = hypervolume([objectives(item, account) for item in found], corner)
    assert reached >= 0.97 * hypervolume(points, corner)


@pytest.mark.exhaustive
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_it_ends_where_much_cannot_be_measured(world, share):
    rng = np.random.default_rng(3)
    gone = {item for item in SPACE.configurations() if rng.random() < share}
    device = Device(world, gone.__contains__)

    composed(device, 40)

    assert device.asked.total() == len(device.asked) == 40


@pytest.mark.parametrize("cuts", [(0, 6), (0, 3, 6)])
def test_a_network_with_few_cuts_is_searched_too(world, cuts):
    space = Space(cuts=cuts, clocks_khz=(600_000, 1_800_000))

    assert len(composed(Device(world), 100, space=space).known) == space.size


def test_an_account_that_was_not_measured_is_refused(world):
    with pytest.raises(InvalidInput, match="edge_active"):
        composed(Device(world.but(idle_known=False)), 30, account=Account.EDGE_ACTIVE)


@pytest.mark.reference
@pytest.mark.parametrize("network", ["vgg16", "vit"])
def test_a_tenth_of_the_published_space_finds_the_published_front(reference: Path, network):
    recorded = read_published(reference / "dynasplit" / f"simulation_pool_{network}.csv", network=network)
    space = recorded.space
    corner = reference_point([objectives(item, Account.EDGE_NODE) for item in recorded.measurements])

    def searched(method, share):
        world = RecordedTrials(recorded.measurements, np.random.default_rng(1))
        campaign = Campaign(space, world, LocalLedger(asks_of(share, space)))
        method(campaign, Aim(seed=1))
        return hypervolume([objectives(item, Account.EDGE_NODE) for item in campaign.measurements], corner)

    assert searched(compose, 0.10) >= 0.99 * searched(exhaustive, 1.0)
