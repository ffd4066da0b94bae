"""The two composes that the stack is held against: 2, and 1.29 as Debian 12 has it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from stack.engine import Engine

NEWER = ["docker", "compose"]
OLDER = ["docker-compose"]
_PLUGIN = "usr/libexec/docker/cli-plugins/docker-compose"
_UNPACK_S = 240.0


def add_newer(engine: Engine) -> None:
    """Where this machine has no Compose 2, that of Debian 13 for this engine alone."""
    asked = [*NEWER, "version"]
    if subprocess.run(asked, env=engine.environment, capture_output=True, check=False).returncode:
        plugins = Path(engine.environment["DOCKER_CONFIG"]) / "cli-plugins"
        plugins.mkdir(parents=True)
        _unpack(plugins)
        subprocess.run(asked, env=engine.environment, capture_output=True, check=True)


def _unpack(plugins: Path) -> None:
    unpacked = plugins.with_name("debian-13")
    command = ["mmdebstrap", "--quiet", "--variant=extract", "--include=docker-compose", "trixie", str(unpacked)]
    subprocess.run(command, check=True, timeout=_UNPACK_S)
    shutil.copy(unpacked / _PLUGIN, plugins)
    shutil.rmtree(unpacked)
