"""A bundle: a folder with `bundle.json` and its artifacts, whole or not there at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from models.folders import put_in_place, remove, undisturbed
from models.manifest import Artifact, Manifest
from protocol.documents import canonical_bytes, parse_object
from protocol.errors import BundleBroken, Conflict, InvalidInput, NotFound
from protocol.files import open_regular, read_regular

MANIFEST = "bundle.json"
SIGNATURES = "signatures"
"""The role of the flatbuffer that holds heads and tails."""

ACCURACY = "accuracy.json"
"""What is known of the accuracy of this very bundle (`models.accuracy.evaluation`): no artifact, and no part of its digest."""


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were found to match their digests. `digest` is the sha256 of the canonical `bundle.json`."""

    folder: Path
    manifest: Manifest
    digest: str

    @classmethod
    def open(cls, folder: Path) -> Bundle:
        """The bundle in a folder; BundleBroken, in one line, where anything is missing or differs from its digest.

        Where the folder is replaced meanwhile, it is the old one or the new one.
        """
        try:
            return undisturbed(folder, lambda descriptor: cls._read(folder, descriptor))
        except OSError as error:
            raise BundleBroken(
                f"{folder / MANIFEST} cannot be read: {error.strerror}; is {folder} a bundle?"
            ) from error

    @classmethod
    def _read(cls, folder: Path, descriptor: int) -> Bundle:
        """OSError where the manifest cannot be read."""
        content = read_regular(Path(MANIFEST), dir_fd=descriptor)
        manifest = _parsed(content, what=str(folder / MANIFEST))
        for artifact in manifest.artifacts:
            _check(folder, artifact, descriptor)
        return cls(folder, manifest, hashlib.sha256(content).hexdigest())

    def artifact(self, role: str) -> Path:
        """The file with this role; NotFound, with the roles there are, where the bundle has none."""
        for artifact in self.manifest.artifacts:
            if artifact.role == role:
                return self.folder / artifact.filename
        roles = ", ".join(artifact.role for artifact in self.manifest.artifacts) or "none"
        raise NotFound(f"bundle {self.folder} has no artifact '{role}'; it has {roles}")


def write(folder: Path, manifest: Manifest, artifacts: Mapping[str, tuple[str, bytes]]) -> Bundle:
    """Writes a bundle beside `folder` and puts it into place in one step, so that nobody sees half of one (`models.folders`).

    `artifacts` maps roles to filename and content; the manifest's own artifacts are replaced by them. A bundle that is
    there already is replaced, though what is known of its accuracy stays where the new one is the same; of several that are written
    at the same time, the last stays. Conflict where the folder holds something else.
    """
    described = tuple(_describe(role, *artifact) for role, artifact in artifacts.items())
    manifest = replace(manifest, artifacts=described)
    content = canonical_bytes(manifest.to_json())
    try:
        kept = tuple(_known_accuracy(folder, content))
        _replace(folder.absolute(), [*artifacts.values(), (MANIFEST, content), *kept])
    except OSError as error:
        raise InvalidInput(f"bundle {folder} cannot be written: {error.strerror}") from error
    return Bundle(folder, manifest, hashlib.sha256(content).hexdigest())


def _known_accuracy(folder: Path, content: bytes) -> Iterable[tuple[str, bytes]]:
    """What was found out about the bundle in `folder`, where it is the one with this manifest; Conflict where it is none."""

    def look(descriptor: int) -> Iterable[tuple[str, bytes]]:
        names = os.listdir(descriptor)
        if names and MANIFEST not in names:
            raise Conflict(f"{folder} exists and is not a bundle; choose another folder")
        if ACCURACY in names and read_regular(Path(MANIFEST), dir_fd=descriptor) == content:
            return [(ACCURACY, read_regular(Path(ACCURACY), dir_fd=descriptor))]
        return []

    try:
        return undisturbed(folder, look)
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        if folder.exists():
            raise Conflict(f"{folder} exists and is not a bundle; choose another folder") from error
        raise


def _replace(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)), None
    try:
        for filename, data in files:
            _write_durably(temporary / filename, data)
        temporary.chmod(0o755)
        old = put_in_place(temporary, folder)
    finally:
        for left in {temporary, old or temporary}:
            remove(left)


def _parsed(content: bytes, *, what: str) -> Manifest:
    try:
        document = parse_object(content, what=what)
        if canonical_bytes(document) != content:
            raise InvalidInput(f"{what} is not in canonical form, so its digest says nothing")
        return Manifest.from_json(document, what=what)
    except InvalidInput as error:
        raise BundleBroken(str(error)) from error


def _describe(role: str, filename: str, content: bytes) -> Artifact:
    return Artifact(role, hashlib.sha256(content).hexdigest(), filename, len(content))


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _check(folder: Path, artifact: Artifact, descriptor: int) -> None:
    path = folder / artifact.filename
    try:
        with open_regular(Path(artifact.filename), dir_fd=descriptor) as file:
            size = os.fstat(file.fileno()).st_size
            if size != artifact.bytes:
                raise BundleBroken(f"{path} has {size} bytes, not {artifact.bytes}: copy the bundle again")
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleBroken(f"{path} cannot be read: {error.strerror}; copy the bundle again") from error
    if found != artifact.sha256:
        raise BundleBroken(f"{path} has sha256 {found[:12]}…, not {artifact.sha256[:12]}…: copy the bundle again")
