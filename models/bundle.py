"""A bundle: a folder with `bundle.json` and its artifacts, whole or not there at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from models.manifest import Artifact, Manifest
from protocol.documents import canonical_bytes, parse_object
from protocol.errors import BundleBroken, Conflict, InvalidInput, NotFound

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
        """The bundle in a folder; BundleBroken, in one line, where anything is missing or differs from its digest."""
        path = folder / MANIFEST
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleBroken(f"{path} cannot be read: {error.strerror}; is {folder} a bundle?") from error
        try:
            document = parse_object(content, what=str(path))
            if canonical_bytes(document) != content:
                raise InvalidInput(f"{path} is not in canonical form, so its digest says nothing")
            manifest = Manifest.from_json(document, what=str(path))
        except InvalidInput as error:
            raise BundleBroken(str(error)) from error
        for artifact in manifest.artifacts:
            _check(folder / artifact.filename, artifact)
        return cls(folder, manifest, hashlib.sha256(content).hexdigest())

    def artifact(self, role: str) -> Path:
        """The file with this role; NotFound, with the roles there are, where the bundle has none."""
        for artifact in self.manifest.artifacts:
            if artifact.role == role:
                return self.folder / artifact.filename
        roles = ", ".join(artifact.role for artifact in self.manifest.artifacts) or "none"
        raise NotFound(f"bundle {self.folder} has no artifact '{role}'; it has {roles}")


def write(folder: Path, manifest: Manifest, artifacts: Mapping[str, tuple[str, bytes]]) -> Bundle:
    """Writes a bundle beside `folder` and renames it into place, so that nobody sees half of one.

    `artifacts` maps roles to filename and content; the manifest's own artifacts are replaced by them. A bundle that is
    there already is replaced, though what is known of its accuracy stays where the new one is the same; Conflict where
    the folder holds something else.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} exists and is not a bundle; choose another folder")
    described = tuple(_describe(role, *artifact) for role, artifact in artifacts.items())
    manifest = replace(manifest, artifacts=described)
    content = canonical_bytes(manifest.to_json())
    try:
        _replace(folder.absolute(), [*artifacts.values(), (MANIFEST, content), *_known_accuracy(folder, content)])
    except OSError as error:
        raise InvalidInput(f"bundle {folder} cannot be written: {error.strerror}") from error
    return Bundle(folder, manifest, hashlib.sha256(content).hexdigest())


def _known_accuracy(folder: Path, content: bytes) -> Iterable[tuple[str, bytes]]:
    """What was found out about the bundle in `folder`, where it is the one with this manifest."""
    known = folder / ACCURACY
    if known.is_file() and (folder / MANIFEST).read_bytes() == content:
        yield ACCURACY, known.read_bytes()


def _replace(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for filename, data in files:
            _write_durably(temporary / filename, data)
        temporary.chmod(0o755)
        _swap(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, folder: Path) -> None:
    """Renames `new` to `folder`; what was there goes aside first, since a folder with files cannot be renamed over."""
    if not folder.exists():
        new.rename(folder)
        return
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as aside:
        old = Path(aside) / "old"
        folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            old.rename(folder)
            raise


def _describe(role: str, filename: str, content: bytes) -> Artifact:
    return Artifact(role, hashlib.sha256(content).hexdigest(), filename, len(content))


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _check(path: Path, artifact: Artifact) -> None:
    try:
        size = path.stat().st_size
        if size != artifact.bytes:
            raise BundleBroken(f"{path} has {size} bytes, not {artifact.bytes}: copy the bundle again")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleBroken(f"{path} cannot be read: {error.strerror}; copy the bundle again") from error
    if found != artifact.sha256:
        raise BundleBroken(f"{path} has sha256 {found[:12]}…, not {artifact.sha256[:12]}…: copy the bundle again")
