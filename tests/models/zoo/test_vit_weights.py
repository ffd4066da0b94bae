"""Checkpoints of vision transformers, read without TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from models.zoo.vision_transformer import VIT_B16, VisionTransformer
from models.zoo.vit_weights import entries, read_checkpoint
from protocol.errors import InvalidInput

SMALL = VisionTransformer(side=8, patch=4, width=6, depth=2, heads=2, mlp=10, classes=3)


@pytest.fixture
def arrays():
    random = np.random.default_rng(1)
    return {entry.key: random.standard_normal(entry.shape).astype(np.float32) for entry in entries(SMALL)}


def test_a_vit_b16_has_as_many_parameters_as_published():
    assert sum(int(np.prod(entry.shape)) for entry in entries(VIT_B16)) == 86_567_656


def test_a_checkpoint_is_read_as_float32(arrays, tmp_path):
    path = tmp_path / "vit.npz"
    np.savez(path, **{key: array.astype(np.float16) for key, array in arrays.items()})

    found = read_checkpoint(path, SMALL)

    assert found.keys() == arrays.keys()
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"cls": None}, "'cls' is missing"),
        ({"head/kernel": None, "head/bias": None}, "'head/kernel' and 1 more are missing"),
        ({"pre_logits/bias": np.zeros(6, np.float32)}, "'pre_logits/bias' is too much"),
        ({"head/bias": np.zeros(4, np.float32)}, "'head/bias' has shape [4], not [3]"),
        ({"head/bias": np.zeros(3, np.int32)}, "'head/bias' must hold finite floating-point numbers"),
        ({"head/bias": np.full(3, np.nan, np.float32)}, "'head/bias' must hold finite"),
        ({"head/bias": np.array([{}, {}, {}])}, "must be an .npz file of plain arrays"),
    ],
)
def test_what_does_not_fit_is_named(arrays, change, complaint, tmp_path):
    path = tmp_path / "vit.npz"
    changed = {key: array for key, array in (arrays | change).items() if array is not None}
    np.savez(path, **changed)

    with pytest.raises(InvalidInput, match=r"vit\.npz") as caught:
        read_checkpoint(path, SMALL)

    assert complaint in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "vit.npz").write_bytes(b"weights")

    with pytest.raises(InvalidInput, match=r"must be an \.npz file"):
        read_checkpoint(tmp_path / "vit.npz", SMALL)


def test_sizes_that_do_not_fit_together_are_refused():
    with pytest.raises(InvalidInput, match="patches of 16 must tile 225 pixels"):
        VisionTransformer(side=225, patch=16, width=768, depth=12, heads=12, mlp=3072, classes=1000)
