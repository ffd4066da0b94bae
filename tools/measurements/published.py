"""The CSV files that DynaSplit's authors published (arXiv 2410.23881, repository hpc-tuwien/SPLINTER): trials and workloads.

One line of a pool is one trial of 1000 images. Its configuration is `layer` (0: cloud-only, the last one: edge-only),
`cpu-freq` in MHz, `edge-accelerator` and `server-accelerator` (GPU). Of the device's energy the total alone was recorded.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

import numpy as np

from planner.possible import check_possible
from planner.pricing import Floats
from planner.recording import Recorded
from planner.space import Space
from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator, Provenance, choose
from protocol.errors import InvalidInput
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement
from tools.measurements.csv_lines import Line, read_lines
from tools.measurements.edge_energy import Trial, split_mj

__all__ = ["Recorded", "is_published", "read_deadlines", "read_published"]

DEVICE, BUNDLE, RUNTIME = "pi4-published", "published", "tflite"
CLOCKS_KHZ = tuple(range(600_000, 1_800_001, 200_000))
IMAGES = 1000
"""Per trial, and averaged over."""

_LAST_LAYERS = {"vgg16": 22, "vit": 19}
_PREFIXES = ("simulation_pool_", "experiment_progress_")
_SIZE = "tensor size (KB)"
_SUMS = {
    "latency": ("avg latency edge (ms)", "avg latency transfer (ms)", "avg latency cloud (ms)"),
    "energy": ("avg energy edge (J)", "avg energy cloud (J)"),
}
_ROUNDING = 0.01
"""How far a total may be off the sum of its parts."""
_SIZES_APART = 2.0
"""A layer's tensor has one size; so many times more or less is another tensor."""

_FIGURES = (
    "latency",
    "energy",
    "avg energy edge (J)",
    "avg latency edge (ms)",
    "avg latency cloud (ms)",
    "avg latency transfer (ms)",
    "avg energy cloud (J)",
    _SIZE,
)
_CHOICES = ("cpu-freq", "layer", "edge-accelerator", "server-accelerator")
_SEEN_ALONG = (
    "avg energy cloud gpu (J)",
    "utilization cloud cpu (%)",
    "utilization cloud gpu (%)",
    "utilization edge cpu (%)",
)
"""Not used, but a line in which they cannot be is not to be trusted."""

_MEASURED = ("head_ms", "transfer_ms", "cloud_ms", "latency_ms", "cloud_node_mj")
_SPLIT = ("head_mj", "wait_mj")
_KINDS = dict.fromkeys(_MEASURED, Provenance.MEASURED) | dict.fromkeys(_SPLIT, Provenance.ESTIMATED)


def is_published(columns: Iterable[str]) -> bool:
    """Whether a header is that of published trials, be it with a column too few."""
    found = set(columns)
    return len(found.intersection(_CHOICES)) > len(_CHOICES) // 2 and bool(found.intersection(_FIGURES))


def read_published(path: Path, *, skip_bad: bool = False, network: str = "") -> Recorded:
    """The trials of a pool, one measurement each.

    `network` is what they are of; left empty, what the file's name says behind `simulation_pool_`; it must not
    contradict that name. The device's energy is
    told apart by `edge_energy`, so both parts are `estimated`, while their sum is as recorded. InvalidInput for the first
    line that cannot be, unless `skip_bad`, and where no line is left.
    """
    lines = read_lines(path, columns=(*_FIGURES, *_CHOICES), what="published trials")
    network = _network_of(path, network)
    last, usual_kb = _last_layer(lines, network), _usual_kb(lines)
    trials, skipped = [], []
    for line in lines:
        try:
            trials.append(_trial(line, last, usual_kb))
        except InvalidInput as fault:
            reason = f"{line.where}: {fault}"
            if not skip_bad:
                raise InvalidInput(f"{reason} (--skip-bad leaves such lines out)") from fault
            skipped.append(reason)
    if not trials:
        raise InvalidInput(f"{path}: no line is left, {len(skipped)} cannot be; the first: {skipped[0]}")
    measurements = _measurements(trials, network)
    where = tuple(trial.where for trial in trials)
    return Recorded(measurements, where, _space(trials, last), tuple(skipped), sampled=True)


def read_deadlines(path: Path, network: str) -> Floats:
    """The deadlines in ms of a published workload (`Index`, `Network`, `Latency`), those of one network in their order."""
    lines = read_lines(path, columns=("Network", "Latency"), what="deadlines")
    deadlines = []
    for line in lines:
        if line.fault:
            raise InvalidInput(f"{line.where}: {line.fault}")
        if line.fields["Network"] == network:
            deadlines.append(_deadline_ms(line))
    if not deadlines:
        there = ", ".join(sorted({line.fields["Network"] for line in lines}))
        raise InvalidInput(f"{path} holds no deadlines for network {network or '(none given)'}; it has {there}")
    return np.array(deadlines, dtype=np.float64)


def _deadline_ms(line: Line) -> float:
    try:
        return line.number("Latency")
    except InvalidInput as fault:
        raise InvalidInput(f"{line.where}: {fault}") from fault


@dataclass(frozen=True)
class _Trial:
    """A line that can be, read. Times in ms, energies in mJ."""

    where: str
    configuration: Configuration
    head_ms: float
    transfer_ms: float
    cloud_ms: float
    latency_ms: float
    edge_mj: float
    cloud_node_mj: float
    up_bytes: int
    accuracy: float | None


def _network_of(path: Path, wanted: str) -> str:
    """What the file's name says, else what was given; InvalidInput where the two differ."""
    name = path.stem
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    if wanted and name not in (wanted, path.stem):
        raise InvalidInput(f"{path} holds trials of network {name}, as its name says, not of {wanted:.80}")
    return wanted or name


def _last_layer(lines: Sequence[Line], network: str) -> int:
    """The edge-only layer: known of the published networks, else the one at which most lines send nothing."""
    silent = Counter(layer for layer, kb in _sent(lines) if not kb)
    if network in _LAST_LAYERS:
        last = _LAST_LAYERS[network]
        if silent and last not in silent:
            raise InvalidInput(
                f"the trials' edge-only layer is {max(silent)}, that of {network} is {last}: are they of another network?"
            )
        return last
    if not silent:
        raise InvalidInput("the published trials hold no edge-only run (tensor size 0): which layer is the last one?")
    return max(silent, key=lambda layer: (silent[layer], layer))


def _usual_kb(lines: Sequence[Line]) -> dict[int, float]:
    """What most trials of each layer sent, where any did."""
    sent: dict[int, list[float]] = defaultdict(list)
    for layer, kb in _sent(lines):
        if kb:
            sent[layer].append(kb)
    return {layer: median_low(sizes) for layer, sizes in sent.items()}


def _sent(lines: Sequence[Line]) -> Iterator[tuple[int, float]]:
    """The layer and the size in KB of those lines that have both; of others it is told when they are read themselves."""
    for line in lines:
        with contextlib.suppress(InvalidInput):
            if not line.fault:
                yield line.whole("layer"), line.number(_SIZE)


def _trial(line: Line, last: int, usual_kb: Mapping[int, float]) -> _Trial:
    if line.fault:
        raise InvalidInput(line.fault)
    figures = {name: line.number(name) for name in _FIGURES}
    for name in _SEEN_ALONG:
        if name in line.fields:
            line.number(name)
    up_bytes = round(figures[_SIZE] * 1024)
    trial = _Trial(
        where=line.where,
        configuration=_configuration(line, last, sends=up_bytes > 0),
        head_ms=figures["avg latency edge (ms)"],
        transfer_ms=figures["avg latency transfer (ms)"],
        cloud_ms=figures["avg latency cloud (ms)"],
        latency_ms=figures["latency"],
        edge_mj=figures["avg energy edge (J)"] * 1000,
        cloud_node_mj=figures["avg energy cloud (J)"] * 1000,
        up_bytes=up_bytes,
        accuracy=_accuracy(line),
    )
    check_possible(trial.configuration.cut, trial)
    _check_sums(figures)
    _check_size(trial.configuration.cut, figures[_SIZE], usual_kb)
    return trial


def _check_sums(figures: Mapping[str, float]) -> None:
    """InvalidInput where a total is not what its parts come to."""
    for total, parts in _SUMS.items():
        parts_sum = sum(figures[name] for name in parts)
        if not math.isclose(figures[total], parts_sum, rel_tol=_ROUNDING):
            raise InvalidInput(
                f"{total} {figures[total]:g} contradicts {' + '.join(parts)}, which come to {parts_sum:g}"
            )


def _check_size(layer: int, kb: float, usual_kb: Mapping[int, float]) -> None:
    """InvalidInput where a trial sent quite another tensor than most trials of its layer."""
    if kb and not 1 / _SIZES_APART <= kb / usual_kb[layer] <= _SIZES_APART:
        raise InvalidInput(
            f"{_SIZE} {kb:g} contradicts the other trials of layer {layer}, which sent {usual_kb[layer]:g}"
        )


def _configuration(line: Line, last: int, *, sends: bool) -> Configuration:
    """InvalidInput for what is outside the space, and for an edge-only run that sends or another one that does not."""
    layer, cpu_khz = line.whole("layer"), round(line.number("cpu-freq") * 1000)
    accelerator = choose(EdgeAccelerator, line.fields["edge-accelerator"], what="edge-accelerator")
    gpu = _flag(line, "server-accelerator")
    if layer > last:
        raise InvalidInput(f"layer {layer} is outside the space: the last one is {last}")
    if cpu_khz not in CLOCKS_KHZ:
        raise InvalidInput(f"cpu-freq {line.fields['cpu-freq']} is outside the space: 600 to 1800 MHz in steps of 200")
    if layer == 0 and accelerator is not EdgeAccelerator.OFF:
        raise InvalidInput(f"edge-accelerator {accelerator} at layer 0 is outside the space: no head is computed there")
    if layer == last and gpu:
        raise InvalidInput(f"server-accelerator True at layer {last} is outside the space: no tail is computed there")
    if sends == (layer == last):
        raise InvalidInput(f"layer {layer} of {last} cannot have sent {line.fields[_SIZE]} KB")
    return Configuration(layer, cpu_khz, accelerator, CloudAccelerator.GPU if gpu else CloudAccelerator.CPU)


def _flag(line: Line, column: str) -> bool:
    flags: Mapping[str, bool] = {"true": True, "false": False}
    try:
        return flags[line.fields[column].lower()]
    except KeyError as error:
        raise InvalidInput(f"{column} must be True or False, not {line.fields[column]!r:.40}") from error


def _accuracy(line: Line) -> float | None:
    if "accuracy" not in line.fields:
        return None
    accuracy = line.number("accuracy")
    if accuracy > 1:
        raise InvalidInput(f"accuracy must lie between 0 and 1, not {accuracy:g}")
    return accuracy


def _measurements(trials: Sequence[_Trial], network: str) -> tuple[Measurement, ...]:
    parts = split_mj([_energy(trial) for trial in trials])
    return tuple(
        Measurement(
            configuration=trial.configuration,
            cost=_cost(trial, head_mj=head_mj, wait_mj=wait_mj),
            network=network,
            bundle=BUNDLE,
            device=DEVICE,
            runtime=RUNTIME,
            link=REFERENCE_LINK,
            at=0.0,
            clock_synced=False,
            repeats=IMAGES,
            accuracy=trial.accuracy,
        )
        for trial, (head_mj, wait_mj) in zip(trials, parts, strict=True)
    )


def _energy(trial: _Trial) -> Trial:
    plugged = trial.configuration.edge_accelerator is not EdgeAccelerator.OFF
    return Trial(
        group=(trial.configuration.cpu_khz, plugged),
        kind=plugged,
        head_ms=trial.head_ms,
        waited_ms=trial.transfer_ms + trial.cloud_ms,
        edge_mj=trial.edge_mj,
    )


def _cost(trial: _Trial, *, head_mj: float, wait_mj: float) -> Cost:
    return Cost(
        head_ms=trial.head_ms,
        transfer_ms=trial.transfer_ms,
        cloud_ms=trial.cloud_ms,
        latency_ms=trial.latency_ms,
        up_bytes=trial.up_bytes,
        down_bytes=0,
        head_mj=head_mj,
        wait_mj=wait_mj,
        cloud_node_mj=trial.cloud_node_mj,
        cloud_active_mj=None,
        provenance=_KINDS,
    )


def _space(trials: Sequence[_Trial], last: int) -> Space:
    seen = {trial.configuration.edge_accelerator for trial in trials}
    return Space(
        cuts=tuple(range(last + 1)),
        clocks_khz=CLOCKS_KHZ,
        accelerators=tuple(accelerator for accelerator in EdgeAccelerator if accelerator in seen),
        cloud_accelerators=tuple(CloudAccelerator),
        boundaries=_boundaries(trials),
    )


def _boundaries(trials: Sequence[_Trial]) -> dict[tuple[int, Codec], tuple[int, int]]:
    """What crosses each cut belongs to the network: it is known without a trial there."""
    sent: dict[int, list[int]] = defaultdict(list)
    for trial in trials:
        sent[trial.configuration.cut].append(trial.up_bytes)
    return {(cut, Codec.RAW): (median_low(found), 0) for cut, found in sent.items()}
