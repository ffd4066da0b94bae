"""Accuracy of a bundle, per cut point and wire codec, on labelled samples: run as it is when served."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from models.accuracy.evaluation import WHOLE, Accuracies, Evaluation, Journal, Question, Unwritten, Values
from models.accuracy.metrics import TOP1, Metric
from models.accuracy.sample_sets import PixelSet, SampleSet
from models.accuracy.samples import Samples
from models.manifest import Manifest
from models.running.runner import Head, Runner
from protocol.configuration import Codec
from protocol.documents import digest_of
from protocol.inference import Message, pack_request, unpack_request
from protocol.tensors import Array, decode, encode

COMPARED = 3
"""Samples on which a lossless run is held against the whole network, bit by bit, before it is taken to be the same."""

Outputs = Mapping[str, Array]

Lanes = Mapping[str, Codec]
"""The codec to run for each element type. Codecs that differ by zstd alone share a lane, and the one with zstd runs."""


def evaluate(
    runner: Runner,
    manifest: Manifest,
    samples: SampleSet | Samples,
    *,
    codecs: Sequence[Codec],
    cuts: Sequence[int] | None = None,
    metric: Metric = TOP1,
    journal: Journal | None = None,
    step: Callable[[int], None] | None = None,
) -> Accuracies:
    """The metric at these cut points (all by default) with each codec; images are scaled as the bundle says.

    Nothing that the journal knows is run again, and it is told each cut point's values as soon as they are found. `step` gets the
    number of answers since it was last called (`answers_needed` in all). NotFound for a cut point that the bundle does not have,
    InvalidInput where samples, labels and network do not fit.
    """
    labelled = PixelSet.of(samples, manifest) if isinstance(samples, Samples) else samples
    metric.check(manifest, labelled.labels)
    journal = journal or Unwritten()
    trial = _Trial(runner, manifest, labelled, metric, step or _ignored)
    for cut, lanes in _missing(manifest, cuts, codecs, journal.known):
        journal.keep(trial.run(cut, lanes, journal.known))
    question = Question(len(labelled), labelled.digest, metric.name, metric.source, runner.runtime)
    return Accuracies.of(digest_of(manifest.to_json()), Evaluation(question, journal.known))


def answers_needed(
    manifest: Manifest, samples: int, *, codecs: Sequence[Codec], cuts: Sequence[int] | None = None, known: Values
) -> int:
    """How many answers `evaluate` will judge, 0 where all is known; those that prove to be the whole network's count as well."""
    return samples * sum(len(lanes) for _, lanes in _missing(manifest, cuts, codecs, known))


def _missing(
    manifest: Manifest, cuts: Sequence[int] | None, codecs: Sequence[Codec], known: Values
) -> Iterator[tuple[int, Lanes]]:
    """What is to be found, cut point by cut point; the whole network comes first, since all others are compared with it."""
    there = {*known, WHOLE}
    points = [manifest.cut(cut) for cut in (manifest.cuts if cuts is None else dict.fromkeys(cuts))]
    wanted = {codec.element: codec for codec in sorted(codecs, key=lambda codec: codec.compressed)}
    if WHOLE not in known:
        yield WHOLE[0], {WHOLE[1]: Codec.RAW}
    for point in points:
        if lanes := {element: codec for element, codec in wanted.items() if (point.index, element) not in there}:
            yield point.index, lanes


@dataclass(frozen=True)
class _Trial:
    runner: Runner
    manifest: Manifest
    samples: SampleSet
    metric: Metric
    step: Callable[[int], None]

    def run(self, cut: int, lanes: Lanes, known: Values) -> Values:
        """The values of one cut point. Heads are run once for all lanes.

        Where nothing that a codec could change crosses, all lanes are the raw one. That one gives the whole network's answers bit
        for bit, which is looked at, not taken for granted; never so in a bundle that mixes two networks.
        """
        lossy = self._lossy(cut)
        values = self._lossless(cut, known) if not lossy or "raw" in lanes else {}
        distinct = lanes if lossy else {"raw": Codec.RAW}
        rest = {element: codec for element, codec in distinct.items() if element not in values}
        values |= self._judged(cut, rest)
        self.step(len(self.samples) * (len(lanes) - len(rest)))
        return {(cut, element): values[element if lossy else "raw"] for element in lanes}

    def _lossy(self, cut: int) -> bool:
        """Whether there is anything in the boundary that `fp16` and `int8` change, and a tail that takes it."""
        boundary = self.manifest.cut(cut).boundary
        return cut != self.manifest.cuts[-1] and any(spec.datatype == "FP32" for spec in boundary)

    def _lossless(self, cut: int, known: Values) -> dict[str, float]:
        """The value without any codec, where it need not be found: known already, or the whole network's own."""
        if (cut, "raw") in known:
            return {"raw": known[cut, "raw"]}
        if self.manifest.mixed or WHOLE not in known:
            return {}
        same = all(_same(self._answer(cut, number), whole) for number, whole in self._first)
        return {"raw": known[WHOLE]} if same else {}

    def _judged(self, cut: int, lanes: Lanes) -> dict[str, float]:
        if not lanes:
            return {}
        tallies = {element: self.metric.tally(self.manifest) for element in lanes}
        for number in range(len(self.samples)):
            head = self.runner.head(cut, self.samples.inputs(number))
            for element, codec in lanes.items():
                tallies[element].add(self._finished(cut, head, codec), self.samples.labels[number])
            self.step(len(lanes))
        return {element: tally.value() for element, tally in tallies.items()}

    @cached_property
    def _first(self) -> Sequence[tuple[int, Outputs]]:
        """The whole network's answers to the first samples."""
        return [(number, self._answer(WHOLE[0], number)) for number in range(min(COMPARED, len(self.samples)))]

    def _answer(self, cut: int, number: int) -> Outputs:
        return self._finished(cut, self.runner.head(cut, self.samples.inputs(number)), Codec.RAW)

    def _finished(self, cut: int, head: Head, codec: Codec) -> Outputs:
        """All outputs, after the boundary went to the tail as a request does: encoded, packed, unpacked, decoded."""
        if len(head.finished) == len(self.manifest.outputs):
            return head.finished
        specs = self.manifest.cut(cut).boundary
        sent = [encode(array, spec, codec) for array, spec in zip(head.boundary, specs, strict=True)]
        wire = pack_request(Message(tuple(sent)), compress=codec.compressed)
        arrived = unpack_request(wire.headers, wire.body).tensors
        received = [decode(tensor, spec, codec) for tensor, spec in zip(arrived, specs, strict=True)]
        return {**self.runner.tail(cut, received), **head.finished}


def _ignored(_count: int) -> None:
    pass


def _same(found: Outputs, expected: Outputs) -> bool:
    return all(found[name].tobytes() == expected[name].tobytes() for name in expected)
