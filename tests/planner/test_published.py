"""Composition held to measurements that others made: the VGG16 trials of DynaSplit (arXiv 2410.23881)."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import pytest

from planner.averages import rows_by_configuration
from planner.costs import fit
from protocol.configuration import Configuration
from protocol.errors import InvalidInput
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement

LAST, TOP_KHZ = 22, 1_800_000
PROBES = (0, 11, LAST)


def on_the_cpu(trials: Iterable[dict[str, str]]) -> list[Measurement]:
    """The trials without TPU. What the device spent while it waited is not told apart there, so all counts as head."""
    return [
        Measurement(
            configuration=configuration(trial), cost=cost(trial), network="vgg16", bundle="published", device="pi4",
            runtime="tflite", link=REFERENCE_LINK, at=0.0, clock_synced=False, repeats=1000,
        )
        for trial in trials
        if trial["edge-accelerator"] == "off"
    ]  # fmt: skip


def configuration(trial: dict[str, str]) -> Configuration:
    return Configuration(cut=int(float(trial["layer"])), cpu_khz=int(float(trial["cpu-freq"])) * 1000)


def cost(trial: dict[str, str]) -> Cost:
    sends = float(trial["layer"]) < LAST
    return Cost(
        head_ms=float(trial["avg latency edge (ms)"]),
        transfer_ms=float(trial["avg latency transfer (ms)"]),
        cloud_ms=float(trial["avg latency cloud (ms)"]),
        latency_ms=float(trial["latency"]),
        up_bytes=round(float(trial["tensor size (KB)"]) * 1024) if sends else 0,
        down_bytes=0,
        head_mj=float(trial["avg energy edge (J)"]) * 1000,
        wait_mj=0.0,
        cloud_node_mj=float(trial["avg energy cloud (J)"]) * 1000,
        cloud_active_mj=None,
    )


@pytest.mark.reference
def test_head_times_of_vgg16_compose_from_the_planned_parts(reference: Path):
    with (reference / "dynasplit" / "simulation_pool_vgg16.csv").open() as file:
        measurements = on_the_cpu(csv.DictReader(file))
    parts = [item for item in measurements if item.configuration.cpu_khz == TOP_KHZ or item.configuration.cut in PROBES]
    model = fit(parts)

    errors = []
    for held_out, row in rows_by_configuration(measurements).items():
        if held_out.cpu_khz == TOP_KHZ or held_out.cut in PROBES:
            continue
        try:
            errors.append(abs(model.composed(held_out).head_ms / row.head_ms - 1))
        except InvalidInput:
            """The pool lacks this cut at the highest clock: nothing to compose from."""

    assert len(errors) > 60
    assert median(errors) < 0.025
