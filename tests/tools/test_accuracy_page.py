"""The trained networks keep their accuracy at every cut with every codec, and the page says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.zoo import ZooNetwork, load_digits_vgg, load_digits_vit
from protocol.configuration import Codec
from tools.accuracy_page import evaluated, write_page

POINTS = 1.0


def every(number: int, network: ZooNetwork) -> ZooNetwork:
    """The network with each so many-th of its held-out images."""
    return replace(network, images=network.images[::number], labels=network.labels[::number])


@pytest.mark.exhaustive
def test_the_page_lists_every_cut_and_codec_and_the_largest_difference(tmp_path):
    few = every(120, load_digits_vgg("int8"))

    write_page(tmp_path / "accuracy.md", {"digits_vgg": lambda _kind: few})

    page = (tmp_path / "accuracy.md").read_text()
    assert "on 3 held-out images" in page
    assert "| cut | after | raw | fp16 | int8 |" in page
    assert page.count("\n| 20 | ") == 2
    assert "largest difference to the fp32 network is 0.00 points" in page


@pytest.mark.system
@pytest.mark.parametrize("kind", ["fp32", "int8"])
@pytest.mark.parametrize("load", [load_digits_vgg, load_digits_vit], ids=["vgg", "vit"])
def test_every_cut_and_codec_is_within_a_point_of_the_fp32_network(load, kind):
    """A third of the images, on which one more that is wrong is 0.8 points; the page is made with all."""
    _, reference = evaluated(every(3, load("fp32")), [Codec.RAW])
    _, found = evaluated(every(3, load(kind)))

    whole = reference.by_cut_and_codec[0, Codec.RAW]
    off = {place: value for place, value in found.by_cut_and_codec.items() if abs(value - whole) * 100 > POINTS}
    assert not off
