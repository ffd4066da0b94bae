"""Cards: what a network does not say of itself, and what no card may say."""

from __future__ import annotations

import json

import pytest

from models.card import read_card
from models.cutting.plain import make_bundle
from models.manifest import Scaling
from models.zoo import digits_vgg
from protocol.errors import InvalidInput


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        ({}, "lacks 'input'"),
        ({"input": None}, "'input' must be an object"),
        ({"input": {}}, "lacks 'scale'"),
        ({"input": {"scale": 0}}, "scale not 0"),
        ({"input": {"scale": 1, "layout": "CHW"}}, "layout must be NHWC or NCHW, not 'CHW'"),
    ],
)
def test_a_card_that_cannot_be_meant_is_refused_by_name(tmp_path, card, complaint):
    (tmp_path / "net.card.json").write_text(json.dumps(card))

    with pytest.raises(InvalidInput, match=complaint) as refused:
        read_card(tmp_path / "net.card.json")
    assert "net.card.json" in str(refused.value)


@pytest.mark.parametrize("changed", [{"scale": 0.0}, {"scale": float("nan")}, {"offset": float("inf")}])
def test_no_scaling_loses_the_pixels(changed):
    with pytest.raises(InvalidInput, match="must be finite"):
        Scaling(**changed)


@pytest.mark.parametrize(
    ("layout", "shape", "fits"),
    [
        ("NHWC", (1, 64, 64, 1), True),
        ("NCHW", (1, 64, 64, 1), False),
        ("NHWC", (1, 3, 64, 64), False),
        ("NCHW", (1, 3, 64, 64), True),
        ("NCHW", (1, 3, 3, 3), True),
        ("NCHW", (1, 16, 16, 8), True),
        ("NCHW", (1, 10), True),
    ],
)
def test_a_layout_that_the_shape_contradicts_is_refused(layout, shape, fits):
    scaling = Scaling(1 / 255, layout=layout)

    if fits:
        scaling.check_layout(shape, what="card")
    else:
        with pytest.raises(InvalidInput, match=f"its layout is {layout}"):
            scaling.check_layout(shape, what="card")


def test_what_is_not_said_is_not_contradicted():
    Scaling().check_layout((1, 3, 64, 64), what="card")


def test_a_bundle_is_not_made_with_the_wrong_layout(tmp_path):
    with pytest.raises(InvalidInput, match=r"the card of .*fp32.tflite: its layout is NCHW"):
        make_bundle(digits_vgg(), tmp_path / "b", name="digits", scaling=Scaling(1 / 255, layout="NCHW"))
    assert not (tmp_path / "b").exists()
