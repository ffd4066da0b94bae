"""Labelled images in a folder, one sub-folder per class. They are read when they are needed, never all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

import numpy as np

from models.accuracy.samples import as_input
from models.manifest import Manifest
from protocol.errors import InvalidInput
from protocol.files import open_regular
from protocol.tensors import Array
from tools.images import check_image_input, read_pixels

_REMEMBERED_BYTES = 256 * 1024 * 1024
"""Pixels that are kept after they were read once, so that small sets are decoded once and large ones cost no memory."""


class ImageFolder:
    """The images of a folder in a fixed order: the first of every class, then the second, so that the first N are of all.

    `guessed` tells that the classes were numbered in alphabetical order, since the bundle has no labels.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, limit: int | None = None) -> None:
        spec = manifest.inputs[0]
        if len(manifest.inputs) != 1:
            raise InvalidInput(
                f"{manifest.network} has {len(manifest.inputs)} inputs; images are samples of one: give an .npz"
            )
        check_image_input(spec, manifest.scaling.layout)
        names = _class_folders(folder)
        classes, self.guessed = _numbered(names, manifest, folder)
        files = _in_turn({classes[name]: _files(folder / name) for name in names})[:limit]
        if not files:
            raise InvalidInput(f"{folder}: there are no images in its sub-folders {', '.join(names[:5])}")
        self.labels: Array = np.array([label for label, _ in files], np.int64)
        self._folder = folder
        self._paths = [path for _, path in files]
        self._spec, self._scaling = spec, manifest.scaling
        self._remembered: dict[int, Array] = {}

    @cached_property
    def digest(self) -> str:
        """Of labels and files as they are on disk."""
        found = hashlib.sha256()
        for label, path in zip(self.labels, self._paths, strict=True):
            try:
                with open_regular(path) as file:
                    found.update(f"{label} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
            except OSError as error:
                raise InvalidInput(f"image {path} cannot be read: {error.strerror}") from error
        return found.hexdigest()

    def __len__(self) -> int:
        return len(self._paths)

    def inputs(self, number: int) -> tuple[Array, ...]:
        return (as_input(self._pixels(number), self._spec, self._scaling),)

    def _pixels(self, number: int) -> Array:
        if number in self._remembered:
            return self._remembered[number]
        pixels = read_pixels(self._paths[number], self._spec, self._scaling.layout)
        if (len(self._remembered) + 1) * pixels.nbytes <= _REMEMBERED_BYTES:
            self._remembered[number] = pixels
        return pixels


def _class_folders(folder: Path) -> list[str]:
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise InvalidInput(f"samples {folder} cannot be read: {error.strerror}") from error
    if not names:
        raise InvalidInput(f"{folder} must hold one sub-folder per class, named by its label or number; it has none")
    return names


def _numbered(names: Sequence[str], manifest: Manifest, folder: Path) -> tuple[Mapping[str, int], bool]:
    """Class numbers by folder, and whether they are a guess: by label, else by number, else in alphabetical order."""
    if manifest.labels:
        return {name: _labelled(name, manifest, folder) for name in names}, False
    if all(name.isascii() and name.isdigit() for name in names):
        return {name: int(name) for name in names}, False
    return {name: number for number, name in enumerate(names)}, True


def _labelled(name: str, manifest: Manifest, folder: Path) -> int:
    places = [number for number, label in enumerate(manifest.labels) if label == name]
    if len(places) == 1:
        return places[0]
    if places:
        raise InvalidInput(
            f"{folder / name}: label '{name}' is that of classes {places}; name the folder by its number"
        )
    if name.isascii() and name.isdigit() and int(name) < len(manifest.labels):
        return int(name)
    some = ", ".join(manifest.labels[:5])
    raise InvalidInput(f"{folder / name} is neither a label of {manifest.network} ({some}, …) nor the number of one")


def _files(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InvalidInput(f"samples {folder} cannot be read: {error.strerror}") from error
    if inner := [path for path in found if path.is_dir()]:
        raise InvalidInput(f"{inner[0]} is a folder; a class folder must hold images only")
    return found


def _in_turn(classes: Mapping[int, Sequence[Path]]) -> list[tuple[int, Path]]:
    columns = [[(label, path) for path in paths] for label, paths in sorted(classes.items())]
    return [sample for row in zip_longest(*columns) for sample in row if sample]
