"""What the heads and tails of bundles answer, as arrays in a file. Runs on the emulated board and on this computer alike.

    answers.py FOLDER chosen|compiled|interpreter OUT.npz

FOLDER holds bundles and, beside each, `<bundle>.npz` with `images` (each as the network takes it). OUT gets `<bundle>/runtime`, and
`<bundle>/<cut>/<image>/<tensor>` for each boundary tensor and output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from models.bundle import Bundle
from models.running.interpreter_runner import InterpreterEngine
from models.running.litert_runner import CompiledEngine, weight_cache
from models.running.runner import Runner, SignatureRunner
from models.running.runner_choice import open_runner
from protocol.tensors import Array

THREADS = 1
"""With two, LiteRT 2.3's int8 BATCH_MATMUL gives other answers from run to run on the emulated Cortex-A72."""


def chosen(bundle: Bundle, weights: Path) -> Runner:
    """As the product opens it."""
    return open_runner(bundle, threads=THREADS, cache_dir=weights)


def compiled(bundle: Bundle, weights: Path) -> Runner:
    return SignatureRunner(
        bundle.manifest, CompiledEngine(bundle, threads=THREADS, cache=weight_cache(bundle, weights))
    )


def interpreter(bundle: Bundle, weights: Path) -> Runner:
    return SignatureRunner(bundle.manifest, InterpreterEngine(bundle, threads=THREADS, folder=weights))


RUNNERS: dict[str, Callable[[Bundle, Path], Runner]] = {
    opening.__name__: opening for opening in (chosen, compiled, interpreter)
}


def answers(bundle: Bundle, runner: Runner, images: Array) -> Iterator[tuple[str, Array]]:
    yield "runtime", np.array(runner.runtime)
    for cut in bundle.manifest.cuts[1:]:  # at 0 the tail is the same signature as the head at the end
        for number, image in enumerate(images):
            head = runner.head(cut, [image])
            boundary = {f"b{place}": array for place, array in enumerate(head.boundary)}
            for name, array in {**boundary, **head.finished, **runner.tail(cut, head.boundary)}.items():
                yield f"{cut}/{number}/{name}", array


def main(folder: str, runner: str, out: str) -> None:
    found = {}
    for inputs in sorted(Path(folder).glob("*.npz")):
        bundle = Bundle.open(inputs.with_suffix(""))
        opened = RUNNERS[runner](bundle, Path(out).with_suffix(".weights"))
        with np.load(inputs) as content:
            made = answers(bundle, opened, content["images"])
            found.update({f"{inputs.stem}/{name}": array for name, array in made})
        opened.close()
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
