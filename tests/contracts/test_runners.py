"""What all runners of a device's bundles must do, in this process and in a child."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.runners.port import RunnerKey, Runners, RunnersHere, open_fake
from edge.runners.process import RunnerProcess
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.running.runner import FakeRunner, RunnerFailed
from models.zoo import digits_vgg, load_digits_vgg
from protocol.errors import BundleBroken, InvalidInput, NotFound


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(digits_vgg(), tmp_path_factory.mktemp("bundles") / "digits", name="digits", cuts=(4,))


@pytest.fixture(scope="module", params=[RunnersHere, RunnerProcess], ids=lambda kind: kind.__name__)
def runners(request: pytest.FixtureRequest) -> Iterator[Runners]:
    """One for the module, since a child takes its time to start."""
    made: Runners = request.param(opener=open_fake)
    yield made
    made.close()


@pytest.fixture
def key(digits: Bundle) -> RunnerKey:
    return RunnerKey(digits.folder, 1)


def test_opening_tells_the_runtime_each_time(runners: Runners, key: RunnerKey) -> None:
    assert runners.open(key) == runners.open(key) == "fake"


def test_head_and_tail_are_those_of_the_network(runners: Runners, key: RunnerKey, digits: Bundle) -> None:
    image, direct = load_digits_vgg().input(3), FakeRunner(digits.manifest)
    head = runners.head(key, 4, [image])
    outputs = runners.tail(key, 4, head.boundary)
    assert all(np.array_equal(*pair) for pair in zip(head.boundary, direct.head(4, [image]).boundary, strict=True))
    expected = direct.tail(0, [image])
    assert outputs.keys() == expected.keys()
    assert all(np.array_equal(outputs[name], expected[name]) for name in expected)


def test_a_bundle_that_was_let_go_is_opened_again_when_it_is_needed(runners: Runners, key: RunnerKey) -> None:
    runtime = runners.open(key)
    runners.release(key.folder)
    runners.release(key.folder)
    assert runners.open(key) == runtime


def test_many_threads_or_bundles_are_more_runners_and_none_is_lost(runners: Runners, digits: Bundle) -> None:
    image = load_digits_vgg().input(3)
    answers = [runners.head(RunnerKey(digits.folder, threads), 4, [image]) for threads in (1, 2, 3, 4, 5, 6, 1)]
    assert all(np.array_equal(answer.boundary[0], answers[0].boundary[0]) for answer in answers)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda runners, key: runners.head(key, 3, [load_digits_vgg().input(0)]), NotFound),
        (lambda runners, key: runners.head(key, 4, []), InvalidInput),
        (lambda runners, key: runners.tail(key, 4, [np.zeros(3, np.float32)]), InvalidInput),
        (lambda runners, _: runners.open(RunnerKey(Path("/nowhere"), 1)), BundleBroken),
    ],
)
def test_what_a_runner_refuses_is_refused_and_the_next_call_served(
    runners: Runners, key: RunnerKey, ask: Callable[..., object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask(runners, key)
    assert runners.open(key) == "fake"


@pytest.mark.parametrize("kind", [RunnersHere, RunnerProcess])
def test_after_closing_there_is_nothing_to_run(kind: type, key: RunnerKey) -> None:
    runners = kind(opener=open_fake)
    runners.close()
    runners.close()
    with pytest.raises(RunnerFailed, match="closed"):
        runners.open(key)
