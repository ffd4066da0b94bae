"""A device and its cloud as processes of their own, each of which can be killed and brought back."""

from __future__ import annotations

import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from soak.slow_link import SlowLink

from protocol.errors import DynaSplitError
from protocol.signing import generate_private_key, public_key_of
from tools.agent import Agent
from tools.backend import Backend
from tools.service import Service
from tools.stack import free_port

DEVICE = "pi-soak"
_LINK_BYTES_PER_S = 20e6
_START_S = 60.0
_POLL_S = 0.05


def wait_until(condition: Callable[[], object], what: str, *, timeout_s: float = _START_S) -> None:
    """Returns once the condition holds; fails with `what` after the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what() if callable(what) else what} within {timeout_s:g} s"
        time.sleep(_POLL_S)


class World:
    """Mosquitto, backend, ingest and agent on loopback; the agent reaches the backend over a link that can get slow.

    `agent` is the command that starts the agent, `agent_settings` what its environment holds beside addresses and tokens.
    """

    def __init__(self, folder: Path, *, agent: list[str], agent_settings: dict[str, str]) -> None:
        self.folder = folder
        self.private_key = generate_private_key()
        self._token = secrets.token_urlsafe(12)
        self._agent_command = agent
        self._agent_settings = agent_settings
        self._ports = {name: free_port() for name in ("broker", "backend", "agent")}
        self._services: dict[str, Service] = {}
        self.backend = Backend(f"http://127.0.0.1:{self._ports['backend']}", token=self._token)
        self.agent = self.client()
        self.link = SlowLink(self._ports["backend"], bytes_per_s=_LINK_BYTES_PER_S)

    def start(self) -> None:
        (self.folder / "logs").mkdir()
        self._launch("broker", self._broker(), {})
        self._launch("backend", self._gunicorn(), self._cloud())
        wait_until(lambda: _answers(self.backend.ready), "the backend was not ready")
        self._launch("ingest", [sys.executable, "-m", "cloud.ingest"], self._cloud())
        self.link.start()
        self._launch("agent", self._agent_command, self._edge(self.backend.issue_token(DEVICE)))
        self.wait_for_agent()

    def stop(self) -> None:
        for service in reversed(list(self._services.values())):
            service.ask_to_stop()
            service.ensure_stopped()
        self.link.stop()
        for client in (self.backend, self.agent):
            client.close()

    def kill(self, name: str) -> None:
        """At once, with all that it started, and no chance to tidy up."""
        process = self._services[name].process
        assert process is not None
        for child in (*psutil.Process(process.pid).children(recursive=True), process):
            child.send_signal(signal.SIGKILL)
        process.wait(10)

    def end(self, name: str) -> None:
        """As a supervisor does: it may tidy up."""
        self._services[name].ask_to_stop()
        self._services[name].ensure_stopped()

    def revive(self, name: str) -> None:
        self._services[name].ensure_stopped()
        self._services[name].start()

    def wait_for_agent(self) -> None:
        wait_until(lambda: _answers(self.agent.ready), f"the agent was not ready, see {self.folder}/logs/agent.log")

    @property
    def store(self) -> Path:
        """The database of the store."""
        return self.folder / "cloud" / "dynasplit.sqlite"

    def client(self) -> Agent:
        """A caller's own connection to the agent."""
        return Agent(f"http://127.0.0.1:{self._ports['agent']}", token=self._token)

    def front(self) -> psutil.Process:
        """The agent's own process; its children are the sampler and what runs heads."""
        process = self._services["agent"].process
        assert process is not None
        return psutil.Process(process.pid)

    def log(self, name: str) -> str:
        return self._services[name].log.read_text(errors="replace")

    def _launch(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        service = Service(name, command, environment, self.folder / "logs" / f"{name}.log")
        self._services[name] = service
        service.start()

    def _broker(self) -> list[str]:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if not program:
            pytest.skip("no Mosquitto here: apt-get install mosquitto")
        settings = self.folder / "mosquitto.conf"
        settings.write_text(
            f"listener {self._ports['broker']} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        )
        return [program, "-c", str(settings)]

    def _gunicorn(self) -> list[str]:
        bind = f"127.0.0.1:{self._ports['backend']}"
        return [sys.executable, "-m", "gunicorn", "-c", "python:cloud.gunicorn_conf", "--workers", "1", "--bind", bind]

    def _cloud(self) -> dict[str, str]:
        return {
            "DYNASPLIT_DATA_DIR": str(self.folder / "cloud"),
            "DYNASPLIT_BROKER_URL": f"mqtt://127.0.0.1:{self._ports['broker']}",
            "DYNASPLIT_OPERATOR_TOKEN": self._token,
            "DYNASPLIT_NODE_BUSY_WATTS": "930",
            "DYNASPLIT_NODE_IDLE_WATTS": "465",
        }

    def _edge(self, device_token: str) -> dict[str, str]:
        return {
            "DYNASPLIT_DEVICE": DEVICE,
            "DYNASPLIT_DATA_DIR": str(self.folder / "agent"),
            "DYNASPLIT_BACKEND_URL": f"http://127.0.0.1:{self.link.port}",
            "DYNASPLIT_DEVICE_TOKEN": device_token,
            "DYNASPLIT_BROKER_URL": f"mqtt://127.0.0.1:{self._ports['broker']}",
            "DYNASPLIT_OPERATOR_TOKEN": self._token,
            "DYNASPLIT_OPERATOR_PUBLIC_KEY": public_key_of(self.private_key),
            "DYNASPLIT_PORT": str(self._ports["agent"]),
            **self._agent_settings,
        }


def _answers(call: Callable[[], object]) -> bool:
    try:
        call()
    except (OSError, DynaSplitError):
        return False
    return True
