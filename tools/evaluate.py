"""Finds out how accurate a bundle is on your own samples, at every cut point and with every wire codec.

Samples are an .npz file ('images' uint8 and 'labels', or arrays named as the network's inputs and 'labels'), or a folder of images
with one sub-folder per class. What was found is kept in the bundle's folder, so that it is never run twice: an
evaluation that was interrupted goes on where it stopped, and `profile` and `optimize` take it up. Nobody evaluated means
unknown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.accuracy.evaluate import answers_needed, evaluate
from models.accuracy.evaluation import WHOLE, BundleJournal, Question, RecordBroken, amend, known_of, set_aside
from models.accuracy.metrics import Metric, load_metric
from models.accuracy.sample_sets import SampleSet, read_sample_set
from models.bundle import Bundle
from models.running.runner import Runner
from models.running.runner_choice import open_runner
from protocol.configuration import Codec
from protocol.errors import InvalidInput
from tools.image_folder import ImageFolder
from tools.output import add_json_argument, check_json_target, console, write_json
from tools.profile_device import DEFAULT_CODECS, parse_codecs
from tools.progress import progress

SUMMARY = "find out how accurate a bundle is on your samples"


@dataclass(frozen=True)
class _Asked:
    """What is to be evaluated on which samples."""

    bundle: Bundle
    samples: SampleSet
    metric: Metric
    cuts: Sequence[int]
    codecs: Sequence[Codec]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by dynasplit cut")
    parser.add_argument("--samples", type=Path, required=True, metavar="DIR|NPZ", help="labelled samples")
    parser.add_argument("--cuts", default="all", help="all, or a list such as 0,4,9 (default: %(default)s)")
    parser.add_argument("--codecs", default=",".join(DEFAULT_CODECS), help="wire codecs (default: %(default)s)")
    parser.add_argument("--metric", default="top1", help="top1, top5 or module:function (default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N samples")
    parser.add_argument("--fresh", action="store_true", help="forget what was found with these samples and this metric")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    check_json_target(arguments.json)
    if arguments.limit is not None and arguments.limit < 1:
        raise InvalidInput(f"--limit must be 1 or more, not {arguments.limit}")
    out, bundle = console(), Bundle.open(arguments.bundle)
    asked = _Asked(
        bundle=bundle,
        samples=_samples(arguments.samples, bundle, arguments.limit, out),
        metric=load_metric(arguments.metric),
        cuts=_cuts(arguments.cuts, bundle),
        codecs=parse_codecs(arguments.codecs),
    )
    asked.metric.check(bundle.manifest, asked.samples.labels)
    _keep_damaged(bundle, out)
    facts = _evaluate(asked, out, fresh=arguments.fresh) | {"seconds": round(time.monotonic() - started, 3)}
    _show(facts, asked, out)
    write_json(arguments.json, facts)
    return 0


def _samples(path: Path, bundle: Bundle, limit: int | None, out: Console) -> SampleSet:
    if not path.is_dir():
        return read_sample_set(path, bundle.manifest, limit=limit)
    folder = ImageFolder(path, bundle.manifest, limit=limit)
    if folder.guessed:
        told = f"the bundle has no labels: the sub-folders of {escape(str(path))} count as classes 0, 1, … by name"
        out.print(f"[yellow]{told}[/]", soft_wrap=True)
    return folder


def _cuts(words: str, bundle: Bundle) -> Sequence[int]:
    if words == "all":
        return bundle.manifest.cuts
    try:
        cuts = sorted({int(word) for word in words.split(",")})
    except ValueError as error:
        raise InvalidInput(f"--cuts must be all or a list such as 0,4,9, not {words!r:.40}") from error
    return [bundle.manifest.cut(cut).index for cut in cuts]


def _keep_damaged(bundle: Bundle, out: Console) -> None:
    """What is damaged is kept under another name, and the evaluation begins anew."""
    try:
        known_of(bundle)
    except RecordBroken as error:
        aside = set_aside(bundle.folder)
        out.print(f"[yellow]{escape(str(error))}; it is kept as {escape(str(aside))}[/]", soft_wrap=True)


def _evaluate(asked: _Asked, out: Console, *, fresh: bool) -> dict[str, Any]:
    samples, metric = asked.samples, asked.metric
    with tempfile.TemporaryDirectory() as folder:
        runner = open_runner(asked.bundle, cache_dir=Path(folder))
        question = Question(len(samples), samples.digest, metric.name, metric.source, runner.runtime)
        if fresh:
            amend(asked.bundle, lambda record: record.without(question))
        journal = BundleJournal(asked.bundle, question)
        try:
            _find_out(asked, runner, journal, out)
        finally:
            runner.close()
    return _facts(asked, question, journal)


def _find_out(asked: _Asked, runner: Runner, journal: BundleJournal, out: Console) -> None:
    """Runs what the journal does not know yet."""
    manifest, samples, cuts, codecs = asked.bundle.manifest, asked.samples, asked.cuts, asked.codecs
    answers = answers_needed(manifest, len(samples), cuts=cuts, codecs=codecs, known=journal.known)
    if not answers:
        out.print("all of this was evaluated before: nothing is run")
        return
    try:
        with progress(f"evaluating {manifest.network}", answers) as step:
            evaluate(
                runner, manifest, samples, cuts=cuts, codecs=codecs, metric=asked.metric, journal=journal, step=step
            )
    except KeyboardInterrupt:
        out.print(f"{len(journal.known)} results are kept; the same command goes on from there")
        raise


def _facts(asked: _Asked, question: Question, journal: BundleJournal) -> dict[str, Any]:
    """What `--json` holds. An interval is null for a metric of the user's own."""
    manifest, values = asked.bundle.manifest, journal.known
    results = [
        {"cut": cut, "name": manifest.cut(cut).name, "codec": codec.value}
        | _figures(asked, values[cut, codec.element], question.samples)
        | {"difference_points": round((values[cut, codec.element] - values[WHOLE]) * 100, 6)}
        for cut in asked.cuts
        for codec in asked.codecs
    ]
    return {
        "bundle": asked.bundle.digest,
        "network": manifest.network,
        "metric": question.metric,
        "samples": question.samples,
        "samples_digest": question.samples_digest,
        "runtime": question.runtime,
        "whole": _figures(asked, values[WHOLE], question.samples),
        "results": results,
    }


def _figures(asked: _Asked, value: float, samples: int) -> dict[str, float | None]:
    low, high = asked.metric.interval(value, samples) or (None, None)
    return {"value": value, "low": low, "high": high}


def _show(facts: dict[str, Any], asked: _Asked, out: Console) -> None:
    table = Table(title=f"{facts['network']}: {facts['metric']} in %")
    table.add_column("cut", justify="right")
    table.add_column("after")
    for codec in asked.codecs:
        table.add_column(escape(codec.value), justify="right")
    cells = {(result["cut"], result["codec"]): _cell(result) for result in facts["results"]}
    for cut in asked.cuts:
        name = asked.bundle.manifest.cut(cut).name
        table.add_row(str(cut), escape(name), *(cells[cut, codec.value] for codec in asked.codecs))
    out.print(table)
    whole = facts["whole"]
    width = (
        f" (95 % interval {100 * whole['low']:.1f} to {100 * whole['high']:.1f})" if whole["low"] is not None else ""
    )
    out.print(
        f"whole network {100 * whole['value']:.2f} %{width}, measured on {facts['samples']} samples with {facts['runtime']}; "
        "behind a value stands its difference to that, in percentage points",
        highlight=False,
    )


def _cell(result: dict[str, Any]) -> str:
    difference = f" {result['difference_points']:+.2f}" if result["difference_points"] else ""
    return f"{100 * result['value']:.2f}{difference}"


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["evaluate", *sys.argv[1:]]))
