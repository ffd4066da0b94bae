from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from planner.searching.campaign import Aim, Campaign, LocalLedger, objectives
from planner.space import Space
from protocol.configuration import Account, CloudAccelerator, Codec, Configuration, EdgeAccelerator
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement
from tools.samplers.asking import REPEATS, Sampled
from tools.samplers.parameters import Parameters

SPACE = Space(
    cuts=(0, 2, 5, 9),
    clocks_khz=(1_800_000, 600_000),
    codecs=(Codec.RAW, Codec.FP16),
    accelerators=(EdgeAccelerator.OFF, EdgeAccelerator.MAX),
    cloud_accelerators=tuple(CloudAccelerator),
)
SMALL = replace(SPACE, codecs=(Codec.RAW,), cuts=(0, 2, 9))
METHODS = ("tpe", "gp", "nsga3")


class Device:
    """Made-up costs that trade latency for energy; nothing comes of the configurations in `missing`."""

    def __init__(self, missing=()):
        self.missing, self.asked = missing, Counter()

    def measure(self, configuration):
        self.asked[configuration] += 1
        return [] if configuration in self.missing else [measured(configuration)]


def measured(configuration):
    ghz, sends = configuration.cpu_khz / 1e6, configuration.cut < 9
    head_ms = 40.0 * configuration.cut / ghz
    cloud_ms = (9 - configuration.cut) * (2.0 if configuration.cloud_accelerator is CloudAccelerator.GPU else 5.0)
    sent = 1000 if sends else 0
    cost = Cost(
        head_ms, 2.0 * sends, cloud_ms, head_ms + cloud_ms + 2, sent, sent, 3 * head_ms, 9, 900 * cloud_ms, None
    )
    return Measurement(configuration, cost, "vgg", "b" * 64, "pi", "fake", REFERENCE_LINK, 0.0, True)


def searched(method, budget, *, device=None, space=SPACE, seed=1):
    campaign = Campaign(space, device or Device(), LocalLedger(budget))
    Sampled(method)(campaign, Aim(seed=seed))
    return campaign


def test_every_configuration_is_a_choice_of_parameters():
    parameters = Parameters(SPACE)

    for configuration in SPACE.configurations():
        assert parameters.configuration(parameters.choice(configuration)) == configuration


def test_a_combination_that_cannot_be_stands_for_what_it_would_run_as():
    parameters = Parameters(SPACE)
    cloud_only = {"cuts": 0, "clocks_khz": 0, "accelerators": "max", "cloud_accelerators": "gpu", "codecs": "fp16"}
    edge_only = cloud_only | {"cuts": 3}

    gpu, fp16 = CloudAccelerator.GPU, Codec.FP16
    assert parameters.configuration(cloud_only) == Configuration(0, 600_000, cloud_accelerator=gpu, codec=fp16)
    assert parameters.configuration(edge_only) == Configuration(9, 600_000, EdgeAccelerator.MAX)


def test_a_dimension_with_a_single_value_is_not_searched():
    space = Space(cuts=(0, 1), clocks_khz=(600_000,))

    assert set(Parameters(space).distributions) == {"cuts"}


@pytest.mark.exhaustive
def test_configurations_differ_in_their_features():
    from tools.samplers.gaussian import features  # takes its time to import

    everything = list(SPACE.configurations())

    found = {tuple(features(Parameters(SPACE), item)) for item in everything}

    assert len(found) == len(everything)
    assert all(0 <= figure <= 1 for each in found for figure in each)


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("method", METHODS)
def test_a_sampler_spends_the_budget_and_measures_nothing_twice(method):
    device = Device()

    searched(method, 20, device=device)

    assert device.asked.total() == len(device.asked) == 20


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", METHODS)
def test_a_sampler_ends_when_everything_is_measured(method):
    device = Device()

    searched(method, 10_000, device=device, space=SMALL)

    assert device.asked == Counter(SMALL.configurations())


class Overtaken(LocalLedger):
    """One is left, until the sampler has to choose it by chance: right then others have measured it."""

    def __init__(self):
        everything = list(SMALL.configurations())
        super().__init__(1, {item: [measured(item)] for item in everything[:-1]})
        self._last, self._steps = everything[-1], 0

    def left(self):
        self._steps += 1
        return super().left()

    def known(self):
        before = dict(super().known())
        if self._steps > REPEATS:
            self.record(self._last, [measured(self._last)])
        return before

    def claim(self, _configuration):
        return False


def test_a_sampler_ends_when_others_measure_the_last_while_it_chooses():
    device = Device()

    Sampled("tpe")(Campaign(SMALL, device, Overtaken()), Aim())

    assert not device.asked


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_measured_costs_budget(method):
    missing = [item for item in SPACE.configurations() if item.cut == 2]
    device = Device(missing)

    campaign = searched(method, 25, device=device)

    assert device.asked.total() == 25
    assert len(campaign.measurements) == sum(item not in missing for item in device.asked)


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides_what_is_measured(method):
    one, same, other = (list(searched(method, 20, seed=seed).known) for seed in (4, 4, 5))

    assert one == same
    assert one != other


@pytest.mark.exhaustive
def test_the_gaussian_processes_find_more_than_chance():
    def best(configurations):
        points = np.array([objectives(measured(item), Account.EDGE_NODE) for item in configurations])
        return points.prod(axis=1).min()

    everything = list(SPACE.configurations())
    found = best(searched("gp", 20).known)

    by_chance = [best(np.random.default_rng(seed).permutation(np.array(everything, object))[:20]) for seed in range(9)]
    assert found <= np.median(by_chance)
