from dataclasses import replace

import numpy as np
import pytest

from planner.averages import rows_by_configuration
from planner.costs.predictions import Predictions
from planner.space import Space
from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator

SPACE = Space(
    cuts=tuple(range(7)),
    clocks_khz=(600_000, 1_200_000, 1_800_000),
    codecs=(Codec.RAW, Codec.INT8_ZSTD),
    accelerators=(EdgeAccelerator.OFF, EdgeAccelerator.MAX),
    cloud_accelerators=(CloudAccelerator.CPU, CloudAccelerator.GPU),
)


@pytest.fixture
def rows(world):
    return list(rows_by_configuration(world.measure(SPACE.configurations())).values())


@pytest.mark.exhaustive(sample=2)
@pytest.mark.parametrize("figure", ["head_ms", "head_mj", "wait_w", "cloud_ms", "cloud_node_mj", "cloud_active_mj"])
def test_what_was_measured_of_an_additive_world_is_predicted_as_it_was(rows, figure):
    sending = [row for row in rows if row.uses_cloud]

    values, off = Predictions.of(rows).columns([row.configuration for row in sending])[figure]

    assert values == pytest.approx([getattr(row, figure) for row in sending], rel=2e-3)
    assert ((off >= 0) & (off < 0.05)).all()


def test_columns_keep_the_order_that_was_asked_for(rows):
    asked = [rows[place].configuration for place in np.random.default_rng(0).permutation(len(rows))]
    predictions = Predictions.of(rows)

    together, _ = predictions.columns(asked)["head_ms"]

    alone = [predictions.columns([configuration])["head_ms"][0][0] for configuration in asked[:10]]
    assert together[:10] == pytest.approx(alone)


def test_a_head_without_work_takes_no_time_for_sure(rows):
    values, off = Predictions.of(rows).columns([Configuration(cut=0, cpu_khz=900_000)])["head_ms"]

    assert (values[0], off[0]) == (0.0, 0.0)


def test_energy_above_idle_is_unknown_of_a_cloud_that_nobody_knew_it_of(rows):
    told = [
        row if row.configuration.cloud_accelerator is CloudAccelerator.CPU else replace(row, cloud_active_mj=None)
        for row in rows
    ]
    asked = [Configuration(cut=2, cpu_khz=600_000, cloud_accelerator=cloud) for cloud in CloudAccelerator]

    values, _ = Predictions.of(told).columns(asked)["cloud_active_mj"]

    assert dict(zip(asked, np.isnan(values).tolist(), strict=True)) == {
        item: item.cloud_accelerator is CloudAccelerator.GPU for item in asked
    }


def test_the_less_is_known_the_less_sure_is_a_prediction(rows):
    few = [row for row in rows if row.configuration.cut in (0, 1, 6) or row.configuration.cpu_khz == 1_800_000]
    asked = [Configuration(cut=4, cpu_khz=600_000)]

    _, sure = Predictions.of(rows).columns(asked)["head_ms"]
    _, unsure = Predictions.of(few).columns(asked)["head_ms"]

    assert unsure[0] > sure[0]
