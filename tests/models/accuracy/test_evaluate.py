"""Accuracy per cut point and codec, as it is when served."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from models.accuracy.evaluate import answers_needed, evaluate
from models.accuracy.evaluation import BundleJournal, Question, Unwritten, known_of
from models.accuracy.metrics import TOP1, TOP5
from models.accuracy.sample_sets import PixelSet
from models.accuracy.samples import Samples
from models.manifest import TailNetwork
from models.running.runner import FakeRunner, Head
from models.running.runner_choice import open_runner
from models.zoo import load_digits_vgg
from protocol.configuration import Codec
from protocol.errors import InvalidInput, NotFound

LAST = 18


class Counting(FakeRunner):
    """The fake, which says how often it ran what."""

    def __init__(self, manifest):
        super().__init__(manifest)
        self.heads, self.tails = Counter(), Counter()

    def head(self, cut, inputs):
        self.heads[cut] += 1
        return super().head(cut, inputs)

    def tail(self, cut, boundary):
        self.tails[cut] += 1
        return super().tail(cut, boundary)


class Coarse(Counting):
    """Another network behind cut 5, as in a bundle that mixes two: it answers otherwise there."""

    def head(self, cut, inputs):
        head = super().head(cut, inputs)
        return Head(tuple(array + 1 for array in head.boundary), head.finished) if cut == 5 else head


@pytest.fixture
def manifest(digits_bundles):
    return digits_bundles["fp32"].manifest


@pytest.fixture
def samples(manifest) -> Samples:
    """Ten images, of which the fake runner finds the first eight right."""
    images = load_digits_vgg().images[:10]
    runner = FakeRunner(manifest)
    inputs = Samples(images, None).scaled(manifest)
    answers = [int(np.argmax(next(iter(runner.head(LAST, [image[None]]).finished.values())))) for image in inputs]
    return Samples(images, np.array([answer if place < 8 else 9 - answer for place, answer in enumerate(answers)]))


def test_every_cut_and_codec_has_its_share_of_right_answers(manifest, samples):
    found = evaluate(FakeRunner(manifest), manifest, samples, codecs=[Codec.RAW, Codec.INT8_ZSTD])

    places = {
        (cut, codec) for cut in manifest.cuts for codec in (Codec.RAW, Codec.RAW_ZSTD, Codec.INT8, Codec.INT8_ZSTD)
    }
    assert set(found.by_cut_and_codec) == places
    assert found.by_cut_and_codec[5, Codec.RAW] == found.by_cut_and_codec[5, Codec.INT8] == 0.8
    assert (found.samples, found.metric) == (10, "top1")


def test_the_accuracies_are_of_the_bundle(digits_bundles, samples):
    bundle = digits_bundles["fp32"]

    found = evaluate(FakeRunner(bundle.manifest), bundle.manifest, samples, codecs=[Codec.RAW], cuts=[0])

    assert found.bundle == bundle.digest


def test_a_head_is_run_once_for_all_codecs(manifest, samples):
    runner = Counting(manifest)

    evaluate(runner, manifest, samples, codecs=[Codec.FP16, Codec.INT8, Codec.INT8_ZSTD], cuts=[5])

    assert runner.heads[5] == 10
    assert runner.tails[5] == 20


def test_a_lossless_cut_is_compared_with_the_whole_network_and_then_not_run_again(manifest, samples):
    runner = Counting(manifest)

    found = evaluate(runner, manifest, samples, codecs=[Codec.RAW], cuts=[5, LAST])

    assert runner.heads == {0: 13, 5: 3, LAST: 3}
    assert found.by_cut_and_codec[5, Codec.RAW] == found.by_cut_and_codec[0, Codec.RAW]


def test_a_cut_that_is_not_the_whole_network_is_run_on_all_samples(manifest, samples):
    runner = Coarse(manifest)

    found = evaluate(runner, manifest, samples, codecs=[Codec.RAW], cuts=[5])

    assert runner.tails[5] == 11
    assert found.by_cut_and_codec[5, Codec.RAW] < found.by_cut_and_codec[0, Codec.RAW] == 0.8


def test_a_bundle_of_two_networks_is_run_on_all_samples_at_every_cut(manifest, samples):
    tails = TailNetwork("1" * 64, manifest.operators, {cut: cut for cut in manifest.cuts})
    mixed = replace(manifest, tail_network=tails)
    runner = Counting(mixed)

    evaluate(runner, mixed, samples, codecs=[Codec.RAW], cuts=[0, 5, LAST])

    assert runner.heads == {0: 10, 5: 10, LAST: 10}


def test_what_is_known_is_not_run_again(manifest, samples):
    runner, journal = Counting(manifest), Unwritten()
    journal.keep({(0, "raw"): 0.75, (5, "int8"): 0.5})

    found = evaluate(runner, manifest, samples, codecs=[Codec.INT8], cuts=[0, 5], journal=journal)

    assert runner.heads == {0: 10}
    assert found.by_cut_and_codec[5, Codec.INT8] == 0.5
    assert found.by_cut_and_codec[0, Codec.RAW] == 0.75


@pytest.mark.exhaustive
def test_progress_adds_up_to_what_was_announced(manifest, samples):
    steps: list[int] = []
    announced = answers_needed(manifest, len(samples), codecs=list(Codec), known={})

    evaluate(FakeRunner(manifest), manifest, samples, codecs=list(Codec), step=steps.append)

    assert sum(steps) == announced == 10 * 3 * len(manifest.cuts)


def test_an_interrupted_evaluation_goes_on_where_it_stopped(digits_bundles, tmp_path, samples):
    bundle = type(digits_bundles["fp32"])(tmp_path, digits_bundles["fp32"].manifest, digits_bundles["fp32"].digest)
    (tmp_path / "bundle.json").write_bytes((digits_bundles["fp32"].folder / "bundle.json").read_bytes())
    question = Question(10, PixelSet.of(samples, bundle.manifest).digest, "top1", "", "fake")

    class Interrupted(Counting):
        def tail(self, cut, boundary):
            if cut == 4:
                raise KeyboardInterrupt
            return super().tail(cut, boundary)

    def run(runner):
        journal = BundleJournal(bundle, question)
        evaluate(runner, bundle.manifest, samples, codecs=[Codec.INT8], cuts=[2, 3, 4, 5], journal=journal)

    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(bundle.manifest))
    again = Counting(bundle.manifest)
    run(again)

    assert sorted(again.heads) == [4, 5]
    assert sorted(known_of(bundle).answer(question).values) == [(0, "raw"), *((cut, "int8") for cut in (2, 3, 4, 5))]


@pytest.mark.exhaustive
def test_codecs_that_differ_by_zstd_alone_agree_on_real_activations(digits_bundles, weight_cache_folder):
    bundle, zoo = digits_bundles["fp32"], load_digits_vgg()
    manifest, images = replace(bundle.manifest, scaling=zoo.card.scaling), Samples(zoo.images[:12], zoo.labels[:12])
    runner = open_runner(bundle, cache_dir=weight_cache_folder)

    plain, packed = (
        evaluate(runner, manifest, images, codecs=[codec], cuts=[9]) for codec in (Codec.INT8, Codec.INT8_ZSTD)
    )

    assert plain.by_cut_and_codec == packed.by_cut_and_codec
    assert plain.by_cut_and_codec[9, Codec.INT8] >= 11 / 12


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"labels": None}, "without labels"),
        ({"labels": np.full(10, 10)}, "classes 0 to 9"),
        ({"labels": np.full(10, -1)}, "run from -1"),
        ({"pixels": np.zeros((10, 8, 8, 1), np.uint8)}, r"takes images of \[64, 64, 1\]"),
    ],
)
def test_samples_that_do_not_fit_are_refused_before_anything_runs(manifest, samples, change, complaint):
    runner = Counting(manifest)

    with pytest.raises(InvalidInput, match=complaint):
        evaluate(runner, manifest, Samples(**{**vars(samples), **change}), codecs=[Codec.RAW])
    assert not runner.heads


def test_a_cut_that_the_bundle_lacks_is_not_found(manifest, samples):
    with pytest.raises(NotFound, match="no cut point 99"):
        evaluate(FakeRunner(manifest), manifest, samples, codecs=[Codec.RAW], cuts=[99])


def test_top5_is_never_below_top1(manifest, samples):
    first, fifth = (
        evaluate(FakeRunner(manifest), manifest, samples, codecs=[Codec.RAW], cuts=[0], metric=metric)
        for metric in (TOP1, TOP5)
    )

    assert first.by_cut_and_codec[0, Codec.RAW] <= fifth.by_cut_and_codec[0, Codec.RAW]
