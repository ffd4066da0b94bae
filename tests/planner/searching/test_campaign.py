from collections import Counter

import numpy as np
import pytest

from planner.searching.campaign import Aim, Campaign, LocalLedger, asks_of, budget_from, exhaustive, objectives
from planner.searching.recorded import RecordedTrials
from planner.space import Space
from protocol.configuration import Account, CloudAccelerator, Codec, Configuration, EdgeAccelerator
from protocol.errors import InvalidInput, ServiceMissing

SPACE = Space(cuts=tuple(range(7)), clocks_khz=(600_000, 1_200_000, 1_800_000))
PUBLISHED = Space(
    cuts=tuple(range(23)),
    clocks_khz=tuple(range(600_000, 2_000_000, 200_000)),
    accelerators=tuple(EdgeAccelerator),
    cloud_accelerators=tuple(CloudAccelerator),
)


class Device:
    """Measures in the world of additive costs, counts what it is asked, and knows nothing of some cuts."""

    def __init__(self, world, *, missing=()):
        self.world, self.missing, self.asked = world, missing, Counter()

    def measure(self, configuration):
        self.asked[configuration] += 1
        return [] if configuration.cut in self.missing else self.world.measure([configuration])


def test_a_campaign_measures_until_its_budget_is_spent(world):
    device = Device(world)
    campaign = Campaign(SPACE, device, LocalLedger(5))

    exhaustive(campaign, Aim())

    assert len(campaign.measurements) == device.asked.total() == 5
    assert campaign.left == 0


def test_the_exhaustive_method_measures_everything_once(world):
    device = Device(world)

    exhaustive(Campaign(SPACE, device, LocalLedger(1000)), Aim())

    assert device.asked == Counter(SPACE.configurations())


def test_what_was_measured_is_not_measured_again_and_costs_nothing(world):
    device, configuration = Device(world), Configuration(cut=3, cpu_khz=600_000)
    campaign = Campaign(SPACE, device, LocalLedger(5))

    first = campaign.measure(configuration)

    assert campaign.measure(configuration) == first
    assert device.asked == {configuration: 1}
    assert campaign.left == 4


def test_what_was_known_before_costs_nothing(world):
    device, configuration = Device(world), Configuration(cut=3, cpu_khz=600_000)
    known = {configuration: world.measure([configuration])}
    campaign = Campaign(SPACE, device, LocalLedger(5, known))

    assert campaign.measure(configuration) == known[configuration]
    assert not device.asked
    assert campaign.left == 5


def test_what_cannot_be_measured_costs_budget_and_is_not_asked_again(world):
    device, configuration = Device(world, missing=(3,)), Configuration(cut=3, cpu_khz=600_000)
    campaign = Campaign(SPACE, device, LocalLedger(5))

    assert campaign.measure(configuration) == ()
    assert campaign.measure(configuration) == ()
    assert device.asked == {configuration: 1}
    assert campaign.left == 4
    assert campaign.measurements == []


def test_a_spent_budget_measures_nothing(world):
    device = Device(world)
    campaign = Campaign(SPACE, device, LocalLedger(0))

    assert campaign.measure(Configuration(cut=3, cpu_khz=600_000)) is None
    assert not device.asked


def test_a_measurement_that_fails_costs_nothing():
    class Away:
        def measure(self, _configuration):
            raise ServiceMissing("the device is away")

    campaign = Campaign(SPACE, Away(), LocalLedger(5))

    with pytest.raises(ServiceMissing):
        campaign.measure(Configuration(cut=3, cpu_khz=600_000))
    assert campaign.left == 5


def test_whoever_watches_is_told_of_each_measurement(world):
    counts = []
    campaign = Campaign(SPACE, Device(world), LocalLedger(3), measured=lambda seen: counts.append(len(seen.known)))

    exhaustive(campaign, Aim())

    assert counts == [1, 2, 3]


@pytest.mark.parametrize(
    ("budget", "asks"), [(0.05, 45), (0.1, 91), (0.2, 183), (1.0, 917), (50, 50), (1, 1), (5000, 917), (1e-6, 1)]
)
def test_a_budget_is_a_share_of_the_space_or_a_count(budget, asks):
    assert asks_of(budget, PUBLISHED) == asks


@pytest.mark.parametrize("budget", [0, -3, 0.0, 1.5, -0.1, float("nan")])
def test_a_budget_that_cannot_be_is_refused(budget):
    with pytest.raises(InvalidInput, match="budget"):
        asks_of(budget, PUBLISHED)


@pytest.mark.parametrize(
    ("text", "budget"), [("50", 50), ("0.1", 0.1), ("10%", 0.1), ("1", 1), ("1.0", 1.0), ("100 %", 1.0), ("-3", -3)]
)
def test_a_text_names_a_budget(text, budget):
    assert budget_from(text) == pytest.approx(budget)
    assert type(budget_from(text)) is type(budget)


@pytest.mark.parametrize("text", ["", "ten", "10%%", "1/2"])
def test_a_text_that_names_no_budget_is_refused(text):
    with pytest.raises(InvalidInput, match="budget"):
        budget_from(text)


def test_objectives_are_latency_and_the_energy_of_the_account(world):
    (measured,) = world.measure([Configuration(cut=3, cpu_khz=600_000)])
    cost = measured.cost

    assert objectives(measured, Account.EDGE) == (cost.latency_ms, cost.head_mj + cost.wait_mj)
    assert objectives(measured, Account.EDGE_NODE)[1] == pytest.approx(cost.edge_mj + cost.cloud_node_mj)
    assert objectives(measured, Account.EDGE_ACTIVE)[1] == pytest.approx(cost.edge_mj + cost.cloud_active_mj)


def test_an_account_whose_energy_is_unknown_is_refused(world):
    (measured,) = world.but(idle_known=False).measure([Configuration(cut=3, cpu_khz=600_000)])

    with pytest.raises(InvalidInput, match="edge_active"):
        objectives(measured, Account.EDGE_ACTIVE)


def test_a_recorded_world_gives_one_of_the_recorded_trials(world):
    configuration = Configuration(cut=3, cpu_khz=600_000)
    trials = [item for factor in (1.0, 2.0, 3.0) for item in world.but(work=(factor,) * 6).measure([configuration])]

    drawn = [RecordedTrials(trials, np.random.default_rng(seed)).measure(configuration) for seed in range(20)]

    assert all(len(found) == 1 for found in drawn)
    assert {found[0].cost.head_ms for found in drawn} == {item.cost.head_ms for item in trials}


def test_a_recorded_world_knows_nothing_of_what_was_not_recorded(world):
    recorded = RecordedTrials(world.measure([Configuration(cut=3, cpu_khz=600_000)]), np.random.default_rng(1))

    assert not recorded.measure(Configuration(cut=2, cpu_khz=600_000))
    assert not recorded.measure(Configuration(cut=3, cpu_khz=600_000, codec=Codec.FP16))


def test_an_edge_only_trial_answers_whatever_the_cloud(world):
    recorded = RecordedTrials(world.measure([Configuration(cut=6, cpu_khz=600_000)]), np.random.default_rng(1))

    (found,) = recorded.measure(Configuration(6, 600_000, cloud_accelerator=CloudAccelerator.GPU, codec=Codec.FP16))

    assert not found.cost.up_bytes


def test_a_recorded_world_is_the_same_in_whatever_order_it_is_asked(world):
    trials = [item for work in (1.0, 2.0) for item in world.but(work=(work,) * 6).measure(SPACE.configurations())]
    asked = list(SPACE.configurations())

    def answers(configurations):
        recorded = RecordedTrials(trials, np.random.default_rng(7))
        return {item: recorded.measure(item)[0].cost.latency_ms for item in configurations}

    assert answers(asked) == answers(asked[::-1])
