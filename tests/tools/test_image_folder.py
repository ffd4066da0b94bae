"""Labelled images in folders: which class a folder is, and in which order images come."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.manifest import CutPoint, Manifest, Scaling
from protocol.errors import InvalidInput
from protocol.tensors import TensorSpec
from protocol.work import Work
from tools.image_folder import ImageFolder


def manifest(*labels: str, inputs: tuple[TensorSpec, ...] = (TensorSpec("x", "FP32", (1, 3, 2, 2)),)) -> Manifest:
    points = (CutPoint(0, "input", inputs), CutPoint(1, "output", ()))
    outputs = (TensorSpec("scores", "FP32", (1, 3)),)
    scaling = Scaling(1 / 255, layout="NCHW")
    return Manifest("tiny", "0" * 64, (Work(),), inputs, outputs, points, scaling=scaling, labels=labels)


@pytest.fixture
def draw(tmp_path):
    """Draws one image per name given, `class/file`, of its own grey."""

    def make(*names: str):
        for grey, name in enumerate(names):
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (grey, grey, grey)).save(path)
        return tmp_path / "images"

    return make


def test_images_come_class_by_class_in_turn(draw):
    found = ImageFolder(draw("cat/a.png", "cat/b.png", "dog/a.jpg"), manifest("dog", "cat"))

    assert found.labels.tolist() == [0, 1, 1]
    assert not found.guessed
    assert found.inputs(2)[0].shape == (1, 3, 2, 2)
    assert found.inputs(2)[0] == pytest.approx(np.full((1, 3, 2, 2), 1 / 255))


def test_hidden_files_and_files_beside_the_folders_are_no_samples(draw):
    folder = draw("cat/a.png", "cat/.hidden.png", "notes.png", ".cache/b.png")

    assert len(ImageFolder(folder, manifest("cat"))) == 1


def test_a_folder_may_be_named_by_number(draw):
    folder = draw("1/a.png", "2/a.png")

    assert ImageFolder(folder, manifest("a", "b", "c")).labels.tolist() == [1, 2]
    assert ImageFolder(folder, manifest()).labels.tolist() == [1, 2]
    assert not ImageFolder(folder, manifest()).guessed


def test_the_digest_follows_content_and_label(draw, tmp_path):
    folder = draw("a/a.png", "b/a.png")
    first = ImageFolder(folder, manifest("a", "b")).digest

    assert ImageFolder(folder, manifest("b", "a")).digest != first
    assert ImageFolder(folder, manifest("a", "b"), limit=1).digest != first
    (folder / "a" / "a.png").rename(folder / "a" / "renamed.png")
    assert ImageFolder(folder, manifest("a", "b")).digest == first


@pytest.mark.parametrize(
    ("names", "labels", "complaint"),
    [
        (["bird/a.png"], ("cat", "dog"), "bird is neither a label of tiny"),
        (["2/a.png"], ("cat", "dog"), "2 is neither a label of tiny"),
        (["crane/a.png"], ("crane", "dog", "crane"), r"'crane' is that of classes \[0, 2\]"),
        (["cat/inner/a.png"], ("cat",), "inner is a folder"),
        (["a.png"], ("cat",), "one sub-folder per class"),
        (["cat/.hidden.png"], ("cat",), "there are no images"),
    ],
)
def test_folders_that_are_no_classes_are_refused_by_name(draw, names, labels, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        ImageFolder(draw(*names), manifest(*labels))


def test_images_are_samples_of_one_image_input(draw):
    folder = draw("cat/a.png")
    with pytest.raises(InvalidInput, match="not an image's"):
        ImageFolder(folder, manifest("cat", inputs=(TensorSpec("x", "FP32", (1, 7)),)))
    with pytest.raises(InvalidInput, match="2 inputs"):
        ImageFolder(folder, manifest("cat", inputs=(TensorSpec("x", "FP32", (1, 7)), TensorSpec("y", "FP32", (1, 7)))))
