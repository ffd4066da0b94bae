"""What is known of a bundle's accuracy: kept beside it, true to it, and taken up by measurements."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from models.accuracy.evaluation import (
    Accuracies,
    BundleJournal,
    Evaluation,
    Question,
    Record,
    RecordBroken,
    amend,
    known_of,
    read_record,
    set_aside,
)
from models.bundle import ACCURACY, Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from protocol.configuration import Codec, Configuration
from protocol.errors import BundleMismatch, InvalidInput
from protocol.link import Link
from protocol.measurement import Cost, Measurement

QUESTION = Question(60, "a" * 64, "top1", "", "fake")


@pytest.fixture
def bundle(tmp_path) -> Bundle:
    return make_bundle(digits_vgg("int8"), tmp_path / "bundle", name="digits", cuts=(3,))


def measured(**changes) -> Measurement:
    cost = Cost(1.0, 1.0, 1.0, 3.0, 10, 10, 1.0, 1.0, 1.0, None)
    measurement = Measurement(
        configuration=Configuration(3, 1000, codec=Codec.INT8_ZSTD),
        cost=cost,
        network="digits",
        bundle="b" * 64,
        device="pi",
        runtime="fake",
        link=Link(1.0, 1.0, 1.0),
        at=0.0,
        clock_synced=True,
    )
    return replace(measurement, **changes)


def test_what_was_kept_is_known_later_and_to_others(bundle):
    BundleJournal(bundle, QUESTION).keep({(3, "int8"): 0.5})
    BundleJournal(bundle, replace(QUESTION, metric="top5")).keep({(3, "int8"): 0.75})
    BundleJournal(bundle, QUESTION).keep({(0, "raw"): 1.0})

    assert BundleJournal(bundle, QUESTION).known == {(3, "int8"): 0.5, (0, "raw"): 1.0}
    assert known_of(bundle).metrics == ("top1", "top5")
    assert {path.name for path in bundle.folder.iterdir()} == {"bundle.json", "signatures.tflite", ACCURACY}


def test_it_is_no_part_of_the_bundle(bundle):
    BundleJournal(bundle, QUESTION).keep({(3, "int8"): 0.5})

    assert Bundle.open(bundle.folder) == bundle


def test_the_same_bundle_made_again_keeps_it_and_another_drops_it(bundle):
    BundleJournal(bundle, QUESTION).keep({(3, "int8"): 0.5})

    again = make_bundle(digits_vgg("int8"), bundle.folder, name="digits", cuts=(3,))
    assert known_of(again).metrics == ("top1",)
    other = make_bundle(digits_vgg("int8"), bundle.folder, name="digits", cuts=(4,))
    assert known_of(other) == Record(other.digest)


def test_a_bundle_that_was_replaced_meanwhile_is_told(bundle):
    journal = BundleJournal(bundle, QUESTION)
    make_bundle(digits_vgg("int8"), bundle.folder, name="digits", cuts=(4,))

    with pytest.raises(BundleMismatch, match="by now"):
        journal.keep({(3, "int8"): 0.5})
    assert not (bundle.folder / ACCURACY).exists()


def test_a_file_of_another_bundle_is_refused(bundle):
    (bundle.folder / ACCURACY).write_text(json.dumps(Record("c" * 64).to_json()))

    with pytest.raises(BundleMismatch, match="cccccccccccc"):
        known_of(bundle)


@pytest.mark.exhaustive(sample=3)
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"schema": 1}',
        '{"schema": "1"}',
        '{"schema": 1, "bundle": "b", "evaluations": [{}]}',
        '{"schema": 1, "bundle": "b", "evaluations": [{"samples": 1, "samples_digest": "", "metric": "", "metric_source": "", '
        '"runtime": "", "results": [{"cut": 0, "codec": "raw", "value": 1.5}]}]}',
    ],
)
def test_a_damaged_file_is_told_and_kept_aside(bundle, content):
    (bundle.folder / ACCURACY).write_text(content)

    with pytest.raises(RecordBroken, match=r"accuracy\.json"):
        known_of(bundle)
    asides = [set_aside(bundle.folder)]
    (bundle.folder / ACCURACY).write_text("again")
    asides.append(set_aside(bundle.folder))

    assert [path.read_text() for path in asides] == [content, "again"]
    assert known_of(bundle) == Record(bundle.digest)


def test_a_file_of_a_newer_version_is_refused_and_stays(bundle):
    (bundle.folder / ACCURACY).write_text('{"schema": 9}')

    with pytest.raises(InvalidInput, match="newer than 1") as told:
        known_of(bundle)
    assert not isinstance(told.value, RecordBroken)


def _keep(bundle: Bundle, cut: int) -> None:
    for place in range(10):
        amend(bundle, lambda record, place=place: record.with_values(QUESTION, {(cut * 10 + place, "raw"): 0.5}))


def test_several_at_the_same_time_lose_nothing_to_each_other(bundle):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda cut: _keep(bundle, cut), range(4)))

    assert len(known_of(bundle).answer(QUESTION).values) == 40
    assert not (bundle.folder / f".{ACCURACY}.part").exists()


def test_the_evaluation_with_the_most_samples_counts_and_of_equals_the_latest():
    def of(samples, digest, value):
        return Evaluation(replace(QUESTION, samples=samples, samples_digest=digest), {(3, "raw"): value})

    record = Record("b" * 64, (of(60, "a", 0.1), of(360, "b", 0.2), of(360, "c", 0.3), of(60, "d", 0.4)))

    assert record.accuracies().by_cut_and_codec == {(3, Codec.RAW): 0.3, (3, Codec.RAW_ZSTD): 0.3}


def test_a_metric_that_nobody_asked_for_is_refused_with_those_there_are():
    record = Record("b" * 64, (Evaluation(replace(QUESTION, metric="mine:judge")),))

    with pytest.raises(InvalidInput, match=r"by metric top1, but by mine:judge"):
        record.accuracies()


def test_measurements_take_up_the_accuracy_of_their_cut_and_codec():
    accuracies = Accuracies.of("b" * 64, Evaluation(QUESTION, {(3, "int8"): 0.5}))

    assert accuracies.applied_to(measured()).accuracy == 0.5
    assert accuracies.applied_to(measured(configuration=Configuration(3, 1000))).accuracy is None
    assert accuracies.applied_to(measured(configuration=Configuration(4, 1000, codec=Codec.INT8))).accuracy is None


def test_an_accuracy_that_is_there_stays():
    accuracies = Accuracies.of("b" * 64, Evaluation(QUESTION, {(3, "int8"): 0.5}))

    assert accuracies.applied_to(measured(accuracy=0.9)).accuracy == 0.9


def test_measurements_of_another_bundle_are_refused():
    accuracies = Accuracies.of("b" * 64, Evaluation(QUESTION))

    with pytest.raises(BundleMismatch, match="evaluate the bundle that was measured"):
        accuracies.applied_to(measured(bundle="c" * 64))


def test_nobody_evaluated_is_told_by_name(tmp_path):
    with pytest.raises(InvalidInput, match=r"accuracy\.json does not exist: run dynasplit evaluate"):
        read_record(tmp_path)
