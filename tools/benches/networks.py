"""Which networks are measured: files that are given, or the zoo's converted here with random weights, and the trained digits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import zoo
from models.accuracy.samples import Samples
from models.cutting.plain import make_bundle
from protocol.errors import InvalidInput, ServiceMissing
from tools.benches.isolated import ROOT

ZOO = ("vgg16", "resnet50", "mobilenetv2", "efficientnetb0", "vit-b16")
PRECISIONS = ("fp32", "int8")
_CALIBRATION_IMAGES = 16


@dataclass(frozen=True)
class Digits:
    """A trained network, cut everywhere into a bundle, and its held-out images as a file of samples."""

    name: str
    bundle: Path
    samples: Path


def trained() -> tuple[str, ...]:
    """The trained networks that come along."""
    return tuple(name for name in ("digits_vgg", "digits_vit") if hasattr(zoo, name))


def check_names(asked: Collection[str]) -> None:
    """InvalidInput for a name that is no network here."""
    known = (*ZOO, *trained())
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise InvalidInput(f"--only names networks of {', '.join(known)}, not {unknown[0]!r:.40}")


def precisions(name: str, folder: Path | None) -> tuple[str, ...]:
    """Those in which the network is at hand; in a folder that is given, only what lies there counts."""
    if folder is None or name in trained():
        return PRECISIONS
    found = tuple(precision for precision in PRECISIONS if (folder / f"{name}-{precision}.tflite").is_file())
    if not found:
        raise InvalidInput(f"{folder} holds no {name}-fp32.tflite or {name}-int8.tflite: dynasplit convert makes them")
    return found


def network_file(name: str, precision: str, folder: Path | None, work: Path) -> Path:
    """`<name>-<precision>.tflite` of the folder; without one, converted into `work` with random weights (needs TensorFlow)."""
    filename = f"{name}-{precision}.tflite"
    if name in trained():
        copy = work / filename
        copy.write_bytes(getattr(zoo, name)(precision).read_bytes())
        return copy
    return folder / filename if folder else _converted(name, precision, work)


def digits(name: str, precision: str, work: Path) -> Digits:
    """The trained network as the other measurements take it."""
    network = getattr(zoo, f"load_{name}")(precision)
    samples = work / f"{name}.npz"
    np.savez(samples, images=network.images, labels=network.labels)
    Samples.read(samples)
    full_name = f"{name}-{precision}"
    bundle = make_bundle(
        network.path, work / f"{full_name}-trained", name=full_name, cuts="all", scaling=network.card.scaling
    )
    return Digits(full_name, bundle.folder, samples)


def _converted(name: str, precision: str, work: Path) -> Path:
    """By `dynasplit convert` in a process of its own: TensorFlow's memory is not ours."""
    path = work / f"{name}-{precision}.tflite"
    command = [sys.executable, "-m", "tools.convert", name, "--weights", "none", "-o", str(path)]
    if precision == "int8":
        images = np.random.default_rng(0).integers(0, 256, (_CALIBRATION_IMAGES, 224, 224, 3), np.uint8)
        np.savez(work / "calibration.npz", images=images)
        command += ["--int8", "--calibration", str(work / "calibration.npz")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ServiceMissing(f"{name} cannot be converted ({said:.200}); give --networks a folder with {path.name}")
    return path
