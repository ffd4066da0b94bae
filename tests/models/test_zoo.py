"""The networks that come along, and their cards."""

from __future__ import annotations

import numpy as np
import pytest

from models.bundle import Bundle
from models.card import read_card
from models.exactness import inexact_cuts, random_samples
from models.runner import FakeRunner, Head
from models.zoo import load_digits_vgg
from protocol.errors import InvalidInput


def test_the_digits_network_comes_with_images_labels_and_scaling():
    network = load_digits_vgg("int8")

    assert network.images.shape == (360, 64, 64, 1)
    assert len(network.labels) == 360
    assert network.card.labels == tuple("0123456789")
    assert network.input(3).dtype == np.float32
    assert network.input(3).shape == (1, 64, 64, 1)
    assert 0.9 < network.input(3).max() <= 1.0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"input": 3}', '{"input": {"scale": 1}, "labels": [1]}'])
def test_a_card_that_lacks_something_is_refused_by_name(content, tmp_path):
    path = tmp_path / "card.json"
    path.write_text(content)

    with pytest.raises(InvalidInput, match=r"card\.json"):
        read_card(path)


def test_a_cut_that_changes_one_bit_is_found(digits_bundles):
    bundle: Bundle = digits_bundles["fp32"]

    class Off(FakeRunner):
        def head(self, cut, inputs):
            head = super().head(cut, inputs)
            return Head(tuple(array + 1 for array in head.boundary), head.finished) if cut == 5 else head

    samples = list(random_samples(bundle.manifest, 2))
    assert inexact_cuts(bundle.manifest, FakeRunner(bundle.manifest), samples) == ()
    assert inexact_cuts(bundle.manifest, Off(bundle.manifest), samples) == (5,)
