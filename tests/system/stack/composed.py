"""The stack of docker-compose.yml as a user starts it, and its containers, each of which can be killed."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stack.building import BUILD_S, IMAGES, OVERRIDE, clone
from stack.composes import NEWER
from stack.engine import Engine

from tools.cli import main

_UP_S = 240.0
_WHERE_NO_REGISTRY_IS = ("--file", "docker-compose.yml", "--file", str(OVERRIDE))
_LASTING = ("database", "broker", "backend", "ingest", "demo-agent")


class Composed:
    """A folder as after `git clone` and `dynasplit cloud-env`, and what compose makes of it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.folder = folder
        self.engine = engine
        self._environment = engine.environment | IMAGES
        clone(folder)
        assert main(["cloud-env", "--directory", str(folder), "--key", str(folder / "operator.key")]) == 0
        lines = (folder / ".env").read_text().splitlines()
        self.settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    @property
    def secrets(self) -> list[str]:
        """All that nobody may find in an image or a log."""
        named = [value for name, value in self.settings.items() if name.endswith(("TOKEN", "PASSWORD"))]
        keys = [self.folder / "operator.key", *self.folder.glob("certs/*.key")]
        return [*named, *(line for key in keys for line in key.read_text().splitlines() if "---" not in line)]

    def build(self) -> None:
        """All images, by BuildKit as the engine has it."""
        self.compose(*_WHERE_NO_REGISTRY_IS, "--profile", "demo", "build", timeout_s=BUILD_S)

    def up(self) -> None:
        """Returns when all are started; the demo's agent waits for a backend that is ready.

        As users say it, though all is built: nothing is installed again, since no index answers where it runs.
        """
        options = ("--build", "--detach", "--scale", "ingest=2")
        self.compose(*_WHERE_NO_REGISTRY_IS, "--profile", "demo", "up", *options, timeout_s=_UP_S)

    def down(self) -> None:
        self.compose("--profile", "demo", "down", "--volumes", timeout_s=_UP_S)

    def compose(self, *arguments: str, timeout_s: float = 60.0) -> str:
        """What a command of compose's prints."""
        command = [*NEWER, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}{self.state()}"
        return done.stdout

    def run_commands(self, commands: str, *, compose: Sequence[str] = NEWER) -> None:
        """Commands of the guide, by bash; `compose` instead of the newer one."""
        script = commands.replace("docker compose", " ".join(compose))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-xc", script],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_UP_S,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}{self.state()}"

    def broker_accounts(self) -> set[str]:
        """Users whom the broker lets in."""
        (broker,) = self.containers("broker")
        read = self.engine.docker("exec", broker, "cat", "/mosquitto/data/dynamic-security.json")
        return {str(client["username"]) for client in json.loads(read)["clients"]}

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers, those that have ended too."""
        label = f"label=com.docker.compose.service={service}"
        return self.engine.docker("ps", "--all", "--quiet", "--filter", label).split()

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of a container."""
        return dict(json.loads(self.engine.docker("inspect", container))[0])

    def kill(self, container: str) -> None:
        """`kill -9` of what runs in it, past the engine: that one takes its own command for a wish that it stay down."""
        process = str(self.inspect(container)["State"]["Pid"])
        subprocess.run(["nsenter", "--target", str(self.engine.process_id), "--pid", "kill", "-9", process], check=True)

    def is_well(self, container: str) -> bool:
        """Whether it runs, and is healthy where it has a way to say so."""
        state = self.inspect(container)["State"]
        return bool(state["Running"]) and state.get("Health", {"Status": "healthy"})["Status"] == "healthy"

    def all_well(self) -> bool:
        return all(self.is_well(container) for service in _LASTING for container in self.containers(service))

    def restarts(self, container: str) -> int:
        """How often the engine started it again."""
        return int(self.inspect(container)["RestartCount"])

    def stored_runs(self) -> Counter[str]:
        """How many records of each run PostgreSQL holds."""
        (database,) = self.containers("database")
        query = "SELECT run, COUNT(*) FROM inferences GROUP BY run"
        asked = ["psql", "-h", "/run/postgresql", "-U", "dynasplit", "-AtF", " ", "-c", query]
        lines = self.engine.docker("exec", database, *asked).splitlines()
        return Counter({run: int(count) for run, count in (line.rsplit(" ", 1) for line in lines)})

    def logs(self) -> str:
        """Of all containers."""
        return self.compose("--profile", "demo", "logs", "--no-color")

    def state(self) -> str:
        """For a test that fails."""
        listed = self.engine.docker("ps", "--all", "--format", "{{.Names}}: {{.Status}}")
        names = self.engine.docker("ps", "--all", "--format", "{{.Names}}").split()
        said = [f"{name}: {self._said(name)}" for name in names]
        return "\n".join([listed, *said])

    def _said(self, name: str) -> str:
        command = ["docker", "logs", "--tail", "15", name]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr
