"""The emulated Raspberry Pi 4 against the published trials that it was calibrated on (arXiv 2410.23881)."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hardware.accelerator.model import on_chip
from hardware.boards import device_model
from hardware.device_model import DeviceModel
from protocol.configuration import EdgeAccelerator
from protocol.work import Work

pytestmark = pytest.mark.reference

PREPARING_CYCLES_PER_BYTE, PREPARING_NS_PER_BYTE = 15.4, 4.07
"""What the testbed's own code took to make a boundary ready for the network, which its edge times include. Fitted along
with the model; cloud-only trials, which have no head, show it alone (9 to 20 ms for 588 KB)."""


@dataclass(frozen=True)
class Trial:
    """One row of the published data: one configuration, averaged over 1000 images."""

    layer: int
    cpu_khz: int
    boundary_bytes: float
    edge_ms: float
    away_ms: float
    edge_mj: float
    accelerator: EdgeAccelerator


def read_trials(path: Path, accelerators: tuple[str, ...] = ("off",)) -> list[Trial]:
    with path.open() as file:
        return [
            Trial(
                layer=int(float(row["layer"])),
                cpu_khz=round(float(row["cpu-freq"]) * 1000),
                boundary_bytes=float(row["tensor size (KB)"]) * 1024,
                edge_ms=float(row["avg latency edge (ms)"]),
                away_ms=float(row["avg latency cloud (ms)"]) + float(row["avg latency transfer (ms)"]),
                edge_mj=float(row["avg energy edge (J)"]) * 1000,
                accelerator=EdgeAccelerator(row["edge-accelerator"]),
            )
            for row in csv.DictReader(file)
            if row["edge-accelerator"] in accelerators and float(row["layer"]) > 0
        ]


def edge_ms(model: DeviceModel, head: Work, trial: Trial) -> float:
    preparing_ns = PREPARING_CYCLES_PER_BYTE / (trial.cpu_khz / 1e6) + PREPARING_NS_PER_BYTE
    return head_ms(model, head, trial) + trial.boundary_bytes * preparing_ns / 1e6


def head_ms(model: DeviceModel, head: Work, trial: Trial) -> float:
    if trial.accelerator is EdgeAccelerator.OFF:
        return model.time_ms(head, trial.cpu_khz)
    chip = on_chip(head, crossing_bytes=round(trial.boundary_bytes / 4))  # recorded as float32, come back as int8
    return model.edge_tpu.time_ms(chip, trial.cpu_khz, trial.accelerator)


def edge_mj(model: DeviceModel, head: Work, trial: Trial) -> float:
    power = model.power if trial.accelerator is EdgeAccelerator.OFF else model.edge_tpu.power
    return power.busy_w(trial.cpu_khz) * edge_ms(model, head, trial) + power.waiting_w(trial.cpu_khz) * trial.away_ms


@dataclass(frozen=True)
class Errors:
    """Relative errors over trials, wrongly labelled ones included."""

    median: float
    p90: float

    @classmethod
    def of(cls, pairs: list[tuple[float, float]]) -> "Errors":
        errors = [abs(modelled / recorded - 1) for modelled, recorded in pairs]
        return cls(median=float(np.median(errors)), p90=float(np.quantile(errors, 0.9)))


@pytest.fixture(params=["vgg16", "vit"])
def network(request) -> str:
    return request.param


@pytest.fixture
def heads(request, network) -> tuple[Work, ...]:
    return request.getfixturevalue(f"{network}_heads")


@pytest.fixture
def trials(reference, network) -> list[Trial]:
    return read_trials(reference / "dynasplit" / f"simulation_pool_{network}.csv")


@pytest.fixture
def model() -> DeviceModel:
    return device_model("emulated-pi4")


STATED = {  # as docs/decisions/0004-emulated-board.md says
    "vgg16": {"time": Errors(0.032, 0.139), "energy": Errors(0.036, 0.116)},
    "vit": {"time": Errors(0.012, 0.099), "energy": Errors(0.037, 0.132)},
}


@pytest.mark.parametrize(
    ("figure", "recorded", "modelled"), [("time", "edge_ms", edge_ms), ("energy", "edge_mj", edge_mj)]
)
def test_the_errors_are_those_that_are_stated(model, network, heads, trials, figure, recorded, modelled):
    errors = Errors.of([(modelled(model, heads[trial.layer], trial), getattr(trial, recorded)) for trial in trials])

    stated = STATED[network][figure]
    assert errors.median == pytest.approx(stated.median, abs=0.002)
    assert errors.p90 == pytest.approx(stated.p90, abs=0.005)
    assert errors.median < 0.15


CLOCKS_KHZ = range(600_000, 1_800_001, 200_000)


@pytest.mark.parametrize("khz", CLOCKS_KHZ)
@pytest.mark.parametrize(
    ("figure", "recorded", "modelled"), [("time", "edge_ms", edge_ms), ("energy", "edge_mj", edge_mj)]
)
def test_heads_are_close_at_each_recorded_clock(model, network, heads, trials, khz, figure, recorded, modelled):
    at_clock = [trial for trial in trials if trial.cpu_khz == khz]

    errors = Errors.of([(modelled(model, heads[trial.layer], trial), getattr(trial, recorded)) for trial in at_clock])

    assert errors.median < 0.15


def test_a_whole_network_on_the_device_takes_the_recorded_time(model, network, heads, trials):
    edge_only = [trial for trial in trials if trial.layer == len(heads) - 1]

    errors = Errors.of([(model.time_ms(heads[-1], trial.cpu_khz), trial.edge_ms) for trial in edge_only])

    assert errors.median < 0.05


def test_the_architectures_have_the_published_size(vgg16_heads, vit_heads):
    assert vgg16_heads[-1].total_macs == pytest.approx(15.5e9, rel=0.01)
    assert vit_heads[-1].total_macs == pytest.approx(17.6e9, rel=0.01)
    assert (len(vgg16_heads), len(vit_heads)) == (23, 20)


STATED_ON_TPU = {"time": Errors(0.014, 0.162), "energy": Errors(0.016, 0.074)}


@pytest.fixture
def trials_on_tpu(reference) -> list[Trial]:
    return read_trials(reference / "dynasplit" / "simulation_pool_vgg16.csv", ("std", "max"))


@pytest.mark.parametrize(
    ("figure", "recorded", "modelled"), [("time", "edge_ms", edge_ms), ("energy", "edge_mj", edge_mj)]
)
def test_the_errors_on_the_edge_tpu_are_those_that_are_stated(
    model, vgg16_heads, trials_on_tpu, figure, recorded, modelled
):
    pairs = [(modelled(model, vgg16_heads[trial.layer], trial), getattr(trial, recorded)) for trial in trials_on_tpu]

    errors, stated = Errors.of(pairs), STATED_ON_TPU[figure]
    assert len(pairs) == 699
    assert errors.median == pytest.approx(stated.median, abs=0.002)
    assert errors.p90 == pytest.approx(stated.p90, abs=0.005)
    assert errors.median < 0.15


def test_a_whole_network_on_the_edge_tpu_takes_the_recorded_time_at_either_clock(model, vgg16_heads, trials_on_tpu):
    for accelerator in (EdgeAccelerator.STD, EdgeAccelerator.MAX):
        whole = [trial for trial in trials_on_tpu if trial.layer == 22 and trial.accelerator is accelerator]

        errors = Errors.of([(head_ms(model, vgg16_heads[22], trial), trial.edge_ms) for trial in whole])

        assert errors.median < 0.03
