"""A device that serves a mixed bundle: int8 on the device, fp32 behind it, also when the cloud is away."""

from __future__ import annotations

import numpy as np
import pytest

from edge.offload.cloud import CloudFailed
from edge.runners.port import RunnersHere
from models.cutting.mixed import make_mixed_bundle
from models.running.runner_choice import open_runner
from models.zoo import digits_vgg, load_digits_vgg


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed") / "bundle"
    return make_mixed_bundle(digits_vgg("int8"), digits_vgg(), folder, name="digits", cuts=(4, 10)).bundle


def test_without_the_cloud_the_fp32_tail_runs_on_the_device(make_device, table_for, row, mixed, reply_of, tmp_path):
    device = make_device(runners=RunnersHere(cache_dir=tmp_path))
    device.source.add(mixed)
    assert device.push(table_for(mixed, rows=(row(10, mixed),))).reason == ""
    device.cloud.failure = CloudFailed("away")
    image = load_digits_vgg().input(3)

    reply = reply_of(device.infer({mixed.manifest.inputs[0].name: image}))

    runner = open_runner(mixed)
    expected = runner.tail(10, runner.head(10, [image]).boundary)
    assert reply.parameters["fallback"] == "away"
    assert np.array_equal(reply.tensors[0].array, next(iter(expected.values())))
