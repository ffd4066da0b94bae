"""What is profiled of a device with an Edge TPU."""

from __future__ import annotations

import numpy as np
import pytest

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from protocol.configuration import Codec, Configuration, EdgeAccelerator
from protocol.errors import InvalidInput, ServiceMissing
from tools.profile_device import measure, space_of


class FakeAgent:
    def __init__(self, **device) -> None:
        self._device = {"clocks_khz": [600_000], "provenance": "emulated", "accelerators": ["off", "std"], **device}

    def device(self):
        return self._device


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {kind: make_bundle(digits_vgg(kind), folder / kind, name="digits", cuts=(4,)) for kind in ("int8", "fp32")}


def accelerators(bundle, **device):
    return space_of(FakeAgent(**device), bundle, (Codec.RAW,)).accelerators


def test_an_emulated_tpu_runs_any_int8_head(bundles):
    assert accelerators(bundles["int8"]) == (EdgeAccelerator.OFF, EdgeAccelerator.STD)


def test_a_real_one_runs_compiled_heads_alone(bundles, capsys):
    assert accelerators(bundles["int8"], provenance="measured") == (EdgeAccelerator.OFF,)
    assert "without the accelerator: the bundle has no head compiled" in " ".join(capsys.readouterr().err.split())


def test_float_heads_are_profiled_without_it(bundles, capsys):
    assert accelerators(bundles["fp32"]) == (EdgeAccelerator.OFF,)
    assert "int8 alone" in " ".join(capsys.readouterr().err.split())


class BusyAgent:
    """Refuses so often, with this error, before it measures."""

    def __init__(self, refusals: int, error: Exception) -> None:
        self._refusals, self._error = refusals, error

    def measure(self, _network, _tensors, configuration, *, run):
        if self._refusals:
            self._refusals -= 1
            raise self._error
        return configuration, run


def measured_by(agent, bundle, waits):
    inputs = np.zeros((1, 1), np.float32)
    found = measure(
        agent, bundle, [Configuration(0, 600_000)], inputs, repeats=1, run="r", step=lambda: None, sleep=waits.append
    )
    return list(found)


def test_a_device_that_is_too_hot_now_is_waited_for_and_that_is_said(bundles, capsys):
    waits = []

    found = measured_by(BusyAgent(2, ServiceMissing("the device is slowed down (throttled)")), bundles["fp32"], waits)

    assert (len(found), waits) == (1, [1.0, 2.0])
    assert "waiting 1 s: the device is slowed down (throttled)" in " ".join(capsys.readouterr().err.split())


def test_patience_ends_and_what_cannot_be_is_not_waited_for(bundles):
    waits = []
    with pytest.raises(ServiceMissing):
        measured_by(BusyAgent(99, ServiceMissing("away")), bundles["fp32"], waits)
    assert sum(waits) == 120

    with pytest.raises(InvalidInput):
        measured_by(BusyAgent(1, InvalidInput("no such clock")), bundles["fp32"], waits)
    assert sum(waits) == 120
