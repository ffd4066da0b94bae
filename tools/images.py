"""Image files as pixels: how `infer` sends them, and how `evaluate` reads its samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from protocol.errors import InvalidInput
from protocol.files import open_regular
from protocol.tensors import Array, TensorSpec


def check_image_input(spec: TensorSpec, layout: str) -> None:
    """InvalidInput unless the input is one image, grey or RGB, in layout NHWC or NCHW."""
    if len(spec.shape) != 4 or spec.shape[0] != 1 or _sides(spec, layout)[2] not in (1, 3):
        raise InvalidInput(
            f"input '{spec.name}' has shape {list(spec.shape)}, not an image's ({layout}); give arrays instead"
        )


def read_pixels(path: Path, spec: TensorSpec, layout: str) -> Array:
    """An image file as uint8 with the input's shape: grey or RGB as the input asks, the whole image resized (bicubic) to its
    height and width, whatever its own proportions. InvalidInput where the file is no image."""
    height, width, channels = _sides(spec, layout)
    try:
        with open_regular(path) as file, Image.open(file) as image:
            sized = image.convert("L" if channels == 1 else "RGB").resize((width, height))
    except (UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise InvalidInput(f"{path} is no image that can be read") from error
    except OSError as error:
        raise InvalidInput(f"image {path} cannot be read: {error.strerror or error}") from error
    pixels = np.asarray(sized, dtype=np.uint8).reshape(1, height, width, channels)
    return pixels.transpose(0, 3, 1, 2) if layout == "NCHW" else pixels


def _sides(spec: TensorSpec, layout: str) -> tuple[int, int, int]:
    """Height, width, channels."""
    _, *sides = spec.shape
    return (sides[1], sides[2], sides[0]) if layout == "NCHW" else (sides[0], sides[1], sides[2])
