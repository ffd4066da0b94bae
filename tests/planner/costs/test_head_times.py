import numpy as np
import pytest

from planner.costs.head_times import Heads, fit_heads
from planner.space import Space
from protocol.configuration import Codec, EdgeAccelerator

CLOCKS_KHZ = tuple(range(600_000, 1_800_001, 200_000))
CUTS = tuple(range(1, 7))
ON_CPU = Space(cuts=CUTS, clocks_khz=CLOCKS_KHZ)
ON_TPU = Space(
    cuts=CUTS,
    clocks_khz=CLOCKS_KHZ,
    codecs=(Codec.RAW, Codec.FP16),
    accelerators=(EdgeAccelerator.STD, EdgeAccelerator.MAX),
)


def heads_of(world, space):
    """The heads of a space and what they take, in ms."""
    measurements = world.measure(item for item in space.configurations() if item.edge_accelerator in space.accelerators)
    heads = Heads.of([item.configuration for item in measurements], [item.cost.up_bytes for item in measurements])
    return heads, np.array([item.cost.head_ms for item in measurements])


def test_every_effect_is_a_covariance_whatever_the_lengths_of_the_heads(world):
    """Else a prediction could be surer than sure. Lengths from a thousandth of the usual one to a thousand times that."""
    heads, times_ms = heads_of(world, ON_TPU)
    times_ms = times_ms * 10 ** np.random.default_rng(0).uniform(-3, 3, len(times_ms))

    model = fit_heads(heads, times_ms)

    for matrix in model._correlations(model.observed):
        assert np.linalg.eigvalsh(matrix).min() > -1e-9 * np.abs(matrix).max()


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("deviation", [0.005, 0.02, 0.03, 0.1])
def test_what_is_left_out_is_as_far_off_as_was_said(world, deviation):
    """Of what is sound one in twenty may be further off than two standard deviations, and next to none than four."""
    heads, times_ms = heads_of(world, ON_CPU)
    rng, found = np.random.default_rng(1), []
    for _ in range(5):
        off, said = fit_heads(heads, times_ms * np.exp(rng.normal(0, deviation, len(times_ms)))).without_itself()
        found += (np.abs(off) / said).tolist()

    beyond = np.array(found)
    assert (beyond > 2).mean() < 0.15
    assert (beyond > 4).mean() < 0.02


@pytest.mark.parametrize("wrong", [0.03, 0.1])
def test_wrong_times_do_not_pass_for_noise(world, wrong):
    heads, times_ms = heads_of(world, ON_CPU)
    rng = np.random.default_rng(2)
    wronged = rng.permutation(len(times_ms))[: round(wrong * len(times_ms))]
    measured_ms = times_ms * np.exp(rng.normal(0, 0.01, len(times_ms)))
    measured_ms[wronged] *= 1.7

    model = fit_heads(heads, measured_ms)

    off, said = model.without_itself()
    beyond = {place for cell, far in zip(model.cells, np.abs(off) > 4 * said, strict=True) if far for place in cell}
    assert beyond >= set(wronged.tolist())
    assert model.predicted(heads)[0] == pytest.approx(times_ms, rel=0.05)
