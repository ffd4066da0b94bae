"""What is profiled of a device with an Edge TPU."""

from __future__ import annotations

import pytest

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from protocol.configuration import Codec, EdgeAccelerator
from tools.profile_device import space_of


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
