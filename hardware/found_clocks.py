"""What the CPUs were set to before this program changed it, kept where it outlives the process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from hardware.cpufreq_policy import PolicySettings
from protocol.documents import check_schema, checked, field, parse_object
from protocol.errors import InvalidInput, NotAllowed
from protocol.files import read_regular

Found = Mapping[str, PolicySettings]
"""By the policy's name, such as `policy0`."""

FILE = "cpufreq.json"

_SCHEMA = 1


class FoundClocks(Protocol):
    """Remembers what is to be put back; nothing remembered means that nothing was changed."""

    def check(self) -> None:
        """NotAllowed when nothing can be remembered here."""
        ...

    def read(self) -> Found:
        """What is remembered, empty when nothing is. InvalidInput when that cannot be told any more."""
        ...

    def write(self, found: Found) -> None:
        """Remembers this instead; nothing at all when it is empty. NotAllowed when it cannot be kept."""
        ...


class RememberedClocks:
    """In memory: a killed process leaves its clock behind."""

    def __init__(self) -> None:
        self._found: Found = {}

    def check(self) -> None:
        """Memory can always be had."""

    def read(self) -> Found:
        return self._found

    def write(self, found: Found) -> None:
        self._found = dict(found)


class FoundClocksFile:
    """In a file: who comes after a killed process learns from it what that one had found.

    It belongs into a folder in memory, such as `/run/dynasplit`: a reboot sets the clocks anew, and takes the file with
    it. The file is replaced as a whole, so a process killed at any moment leaves the old or the new content.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error.strerror) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise self._refusal("this user may not write there")

    def read(self) -> Found:
        try:
            return _parsed(read_regular(self._path), what=str(self._path))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InvalidInput(f"{self._path} cannot be read: {error.strerror}") from error

    def write(self, found: Found) -> None:
        try:
            if found:
                self._replace(found)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise self._refusal(error.strerror) from error

    def _replace(self, found: Found) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {"schema": _SCHEMA, "policies": {name: asdict(settings) for name, settings in found.items()}}
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(content) + "\n")
        beside.replace(self._path)

    def _refusal(self, reason: str | None) -> NotAllowed:
        return NotAllowed(
            f"{self._path} cannot be written ({reason}), and without it a crash would leave the CPU clock held: start the "
            "agent by the shipped unit (RuntimeDirectory=dynasplit), or set another 'run_dir'"
        )


def _parsed(content: bytes, *, what: str) -> Found:
    document = parse_object(content, what=what)
    check_schema(document, current=_SCHEMA, what=what)
    policies = field(document, "policies", dict, what=what)
    return {name: _settings(policies[name], what=f"{what}: {name}") for name in policies}


def _settings(content: object, *, what: str) -> PolicySettings:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{what} holds {content!r:.40} instead of settings")
    held_khz = content.get("held_khz")
    return PolicySettings(
        governor=field(content, "governor", str, what=what),
        min_khz=field(content, "min_khz", int, what=what),
        max_khz=field(content, "max_khz", int, what=what),
        held_khz=None if held_khz is None else checked(held_khz, int, what=f"{what}: held_khz"),
    )
