"""Writes docs/reference/accuracy.md: the trained networks of the zoo at every cut point with every codec.

    python -m tools.accuracy_page docs/reference/accuracy.md

It takes a few minutes. The samples are the held-out ones, of which none was trained on or chosen by.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.accuracy.evaluate import answers_needed, evaluate
from models.accuracy.evaluation import WHOLE, Accuracies
from models.accuracy.metrics import wilson
from models.accuracy.samples import Samples
from models.cutting.plain import make_bundle
from models.manifest import Manifest
from models.running.runner_choice import open_runner
from models.zoo import Kind, ZooNetwork, load_digits_vgg, load_digits_vit
from protocol.configuration import Codec
from tools.output import write_text
from tools.progress import progress

NETWORKS: Mapping[str, Callable[[Kind], ZooNetwork]] = {
    "digits_vgg": load_digits_vgg,
    "digits_vit": load_digits_vit,
}
CODECS = (Codec.RAW, Codec.FP16, Codec.INT8)

_INTRODUCTION = """# Accuracy of the networks that come along

Measured: top-1 in % on {samples} held-out images of handwritten digits (scikit-learn's, UCI 1998), at every cut point with every
codec, and the difference to the fp32 network in percentage points. No image among them was trained on, and nothing was chosen by
them. zstd gives back what it packed, so that `int8+zstd` has the figures of `int8`. This page is made by

    python -m tools.accuracy_page docs/reference/accuracy.md

and for networks of your own there is [`dynasplit evaluate`](cli.md#evaluate).
"""


def write_page(path: Path, networks: Mapping[str, Callable[[Kind], ZooNetwork]] = NETWORKS) -> None:
    """Evaluates all networks in both precisions and writes the page."""
    sections = [_section(name, load) for name, load in networks.items()]
    samples = len(next(iter(networks.values()))("fp32").labels)
    write_text(path, "\n".join([_INTRODUCTION.format(samples=samples), *sections]))


def _section(name: str, load: Callable[[Kind], ZooNetwork]) -> str:
    found = {kind: evaluated(load(kind)) for kind in ("fp32", "int8")}
    reference = found["fp32"][1].by_cut_and_codec[WHOLE[0], Codec.RAW]
    worst = max(
        abs(value - reference) for _, accuracies in found.values() for value in accuracies.by_cut_and_codec.values()
    )
    tables = [_table(name, kind, *figures, reference=reference) for kind, figures in found.items()]
    largest = f"The largest difference to the fp32 network is {100 * worst:.2f} points."
    return "\n".join([f"## {name}\n", f"{largest}\n", *tables])


def evaluated(network: ZooNetwork, codecs: Sequence[Codec] = CODECS) -> tuple[Manifest, Accuracies]:
    """A network at every possible cut point with these codecs, on all its held-out images."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(
            network.path,
            Path(folder) / "bundle",
            name=network.name,
            cuts="all",
            scaling=network.card.scaling,
            labels=network.card.labels,
        )
        runner = open_runner(bundle, cache_dir=Path(folder))
        answers = answers_needed(bundle.manifest, len(network.labels), codecs=codecs, known={})
        samples = Samples(network.images, network.labels)
        try:
            with progress(f"evaluating {network.name} {network.path.stem}", answers) as step:
                return bundle.manifest, evaluate(runner, bundle.manifest, samples, codecs=codecs, step=step)
        finally:
            runner.close()


def _table(name: str, kind: str, manifest: Manifest, accuracies: Accuracies, *, reference: float) -> str:
    values = accuracies.by_cut_and_codec
    whole = values[WHOLE[0], Codec.RAW]
    low, high = wilson(whole, accuracies.samples)
    lines = [
        f"{name} {kind}: the whole network is right on {100 * whole:.2f} % "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f}).\n",
        f"| cut | after | {' | '.join(CODECS)} |",
        f"|---|---|{'---|' * len(CODECS)}",
    ]
    for point in manifest.cut_points:
        cells = [_cell(values[point.index, codec], reference) for codec in CODECS]
        lines.append(f"| {point.index} | {point.name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(value: float, reference: float) -> str:
    return f"{100 * value:.2f} ({100 * (value - reference):+.2f})"


if __name__ == "__main__":
    write_page(Path(sys.argv[1]))
