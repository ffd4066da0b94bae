"""What tests of tools share: a pool of trials in the published format, made up."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LAST, CLOCKS_MHZ = 4, (600, 800, 1000, 1200, 1400, 1600, 1800)
KB = (588.0, 400.0, 200.0, 100.0, 0.0)
BUSY_W, WAITING_W = 4.0, 3.0

Trial = dict[str, Any]
MakePool = Callable[..., Path]


def trial(layer: int, mhz: int, tpu: str, *, gpu: bool) -> Trial:
    """One line of a pool in which costs are additive."""
    head_ms = (9.0 + 300.0 * layer * (0.3 if tpu != "off" else 1.0)) * 1800 / mhz
    sends = layer < LAST
    cloud_ms = (70.0 if gpu else 170.0) * (1 - layer / 8) * sends
    transfer_ms = (2.3 + 0.0139 * KB[layer]) * sends
    edge_j = (BUSY_W * head_ms + WAITING_W * (cloud_ms + transfer_ms)) / 1000
    cloud_j = 0.9 * cloud_ms
    return {
        "accuracy": 0.6,
        "latency": head_ms + cloud_ms + transfer_ms,
        "energy": edge_j + cloud_j,
        "avg energy edge (J)": edge_j,
        "avg latency edge (ms)": head_ms,
        "avg latency cloud (ms)": cloud_ms,
        "avg latency transfer (ms)": transfer_ms,
        "avg energy cloud (J)": cloud_j,
        "tensor size (KB)": KB[layer],
        "cpu-freq": float(mhz),
        "layer": float(layer),
        "edge-accelerator": tpu,
        "server-accelerator": gpu,
    }


def whole_pool() -> list[Trial]:
    """A trial of every configuration."""
    return [
        trial(layer, mhz, tpu, gpu=gpu)
        for layer in range(LAST + 1)
        for mhz in CLOCKS_MHZ
        for tpu in (("off", "std") if layer else ("off",))
        for gpu in ((False, True) if layer < LAST else (False,))
    ]


_SUMS = {
    "latency": ("avg latency edge (ms)", "avg latency cloud (ms)", "avg latency transfer (ms)"),
    "energy": ("avg energy edge (J)", "avg energy cloud (J)"),
}


def _added_up(fields: Trial, change: Trial) -> Trial:
    """The changed line; totals follow their parts, unless they are changed themselves."""
    changed = fields | change
    for total, parts in _SUMS.items():
        if total not in change and all(isinstance(changed[part], float) for part in parts):
            changed[total] = sum(changed[part] for part in parts)
    return changed


@pytest.fixture
def trials() -> list[Trial]:
    """A trial of every configuration."""
    return whole_pool()


@pytest.fixture
def make_trial() -> Callable[..., Trial]:
    """Makes one line of a pool: `make_trial(layer, mhz, tpu, gpu=...)`."""
    return trial


@pytest.fixture
def make_pool(tmp_path: Path) -> MakePool:
    """Writes trials as the authors publish them; `change` sees each line's number and fields before it is written."""

    def make(
        trials: list[Trial] | None = None, *, name: str = "trials.csv", changes: dict[int, Trial] | None = None
    ) -> Path:
        path = tmp_path / name
        written = whole_pool() if trials is None else trials
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(whole_pool()[0]))
            writer.writeheader()
            for number, fields in enumerate(written, start=2):
                writer.writerow(_added_up(fields, (changes or {}).get(number, {})))
        return path

    return make
