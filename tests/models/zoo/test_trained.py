"""The networks that come along, and their cards."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.bundle import Bundle
from models.card import read_card
from models.cutting.exactness import inexact_cuts, random_samples
from models.cutting.plain import make_bundle
from models.network.graph import read_graph
from models.running.runner import FakeRunner, Head
from models.running.runner_choice import open_runner
from models.zoo import digits_vit, load_digits_vgg, load_digits_vit
from protocol.errors import InvalidInput
from protocol.work import total


@pytest.mark.parametrize("load", [load_digits_vgg, load_digits_vit], ids=["vgg", "vit"])
def test_a_digits_network_comes_with_images_labels_and_scaling(load):
    network = load("int8")

    assert network.images.shape == (360, 64, 64, 1)
    assert len(network.labels) == 360
    assert network.card.labels == tuple("0123456789")
    assert network.input(3).dtype == np.float32
    assert network.input(3).shape == (1, 64, 64, 1)
    assert 0.9 < network.input(3).max() <= 1.0


def test_the_digits_networks_share_their_images():
    one, other = load_digits_vgg(), load_digits_vit()

    assert np.array_equal(one.images, other.images)
    assert not digits_vit().with_name("test.npz").exists()
    assert (one.card.name, other.card.name) == ("digits_vgg", "digits_vit")


@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_the_transformer_is_small_and_as_good_as_its_card_says(kind):
    path = digits_vit(kind)
    stated = json.loads(path.with_name("card.json").read_text())["test_accuracy"]
    work = total(operator.work for operator in read_graph(path).operators)

    assert path.stat().st_size < 2_000_000
    assert work.total_macs < 150e6
    assert stated[kind] >= 0.97
    assert abs(stated["fp32"] - stated["int8"]) <= 0.01


@pytest.mark.system
@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_the_transformer_gives_the_same_bits_at_every_cut(kind, tmp_path):
    bundle = make_bundle(digits_vit(kind), tmp_path / "bundle", name="digits_vit", cuts="all")
    runner = open_runner(bundle, cache_dir=tmp_path)
    try:
        assert inexact_cuts(bundle.manifest, runner, list(random_samples(bundle.manifest, 1))) == ()
    finally:
        runner.close()


@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_between_the_blocks_of_the_transformer_one_tensor_crosses(kind):
    graph = read_graph(digits_vit(kind))

    single = [graph.cut_name(cut) for cut in range(graph.operator_count) if len(graph.boundary(cut)) == 1]

    for block in range(1, 5):
        assert any(name.startswith(f"block{block}_mlp_add") for name in single)


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
