"""Who may read what is secret: the settings with their tokens, and the operator's private key where one lies about."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from tools.doctoring.findings import Finding, error, warning, well

_OTHERS = stat.S_IRWXO
_GROUP_WRITES = stat.S_IWGRP
_ALL_BUT_OWNER = stat.S_IRWXG | stat.S_IRWXO
_KEY = "operator.key"


def check_secrets(config: Path) -> Iterator[Finding]:
    """The settings file, and a key beside it: a device needs the public half alone."""
    yield _kept(config, "it holds tokens and a password")
    key = config.with_name(_KEY)
    if key.exists():
        yield _kept(key, "whoever has it may have tables of their own applied")
        yield warning(
            "secrets", f"the operator's private key lies on the device: {key}", "keep it where you push from, not here"
        )


def _kept(path: Path, why: str) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    seen, advice = f"{path} has mode {mode:04o}", f"{why}: chmod 600 {path}"
    if mode & (_OTHERS | _GROUP_WRITES):
        return error("secrets", seen, advice)
    if mode & _ALL_BUT_OWNER:
        return warning("secrets", seen, advice)
    return well("secrets", f"{path} is its owner's alone")
