"""The whole of DynaSplit on one machine: broker, backend, ingest and an agent, each a process of its own.

All listen on loopback at free ports, log into the data directory, and end with this process, however that ends.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from protocol.errors import DynaSplitError, InvalidInput, ServiceMissing
from protocol.signing import public_key_of
from tools import keys
from tools.agent import Agent
from tools.backend import Backend
from tools.embedded_broker import CLOUD_USER, write_password_file
from tools.output import write_text
from tools.service import Service

START_TIMEOUT_S = 60.0
_POLL_S = 0.05
_END_S = 0.5


@dataclass(frozen=True)
class NodeProfile:
    """The electrical power of the cloud's node, in W, as an assumption that energies are estimated from."""

    busy_watts: float
    idle_watts: float


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """Starts everything on entering, stops it on leaving.

    `backend` and `agent` are clients with the operator's token. Raises ServiceMissing, naming the process and its log,
    when one does not come up.
    """

    def __init__(self, data_dir: Path, *, device: str, board: str, node: NodeProfile) -> None:
        self.data_dir = data_dir.absolute()
        self.device = device
        self._board = board
        self._node = node
        self._token = secrets.token_urlsafe(24)
        self._passwords = {CLOUD_USER: secrets.token_urlsafe(18), device: secrets.token_urlsafe(18)}
        self._ports = {name: free_port() for name in ("broker", "backend")}
        self._services: dict[str, Service] = {}
        self.backend = Backend(f"http://127.0.0.1:{self._ports['backend']}", token=self._token)
        self.private_key_file = self.data_dir / "operator.key"

    @property
    def agent(self) -> Agent:
        """The agent; there once the stack has started."""
        return self._agent

    @property
    def token(self) -> str:
        """The operator's token, for backend and agent."""
        return self._token

    @property
    def private_key(self) -> str:
        return keys.load(self.private_key_file)

    def __enter__(self) -> Stack:
        self._lock = _locked(self.data_dir)
        try:
            self._start()
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError) and not isinstance(error, DynaSplitError):
                raise InvalidInput(f"data directory {self.data_dir} cannot be used: {error}") from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends all processes, the agent first so that its last records still find their way."""
        for service in reversed(list(self._services.values())):
            service.ask_to_stop()
            service.ensure_stopped()
        self._lock.close()

    def revive(self, *names: str) -> list[str]:
        """Starts processes again that have ended, as a supervisor would; which ones that were.

        All of them, or those named, which somebody found away: these are given a moment to end.
        """
        patience_s = _END_S if names else 0.0
        asked = [self._services[name] for name in names or self._services]
        ended = [service for service in asked if service.has_ended(patience_s=patience_s)]
        for service in ended:
            service.ensure_stopped()
            service.start()
            self._wait_until_ready(service)
        if ended:
            self._note()
        return [service.name for service in ended]

    def _start(self) -> None:
        (self.data_dir / "logs").mkdir(parents=True, exist_ok=True)
        if not self.private_key_file.exists():
            keys.create(self.private_key_file)
        self._launch("broker", self._broker_command(), {})
        self._launch("backend", self._backend_command(), self._backend_environment())
        self._launch("ingest", [sys.executable, "-m", "cloud.ingest"], self._ingest_environment())
        self._wait_until_ready(self._services["broker"])
        self._wait_until_ready(self._services["backend"])
        device_token = self.backend.issue_token(self.device)
        # Probed as late as can be: until it is bound, anything else may take a free port.
        self._ports["agent"] = free_port()
        self._agent = Agent(f"http://127.0.0.1:{self._ports['agent']}", token=self._token)
        self._launch("agent", [sys.executable, "-m", "edge"], self._agent_environment(device_token))
        self._wait_until_ready(self._services["agent"])
        self._services["ingest"].check()
        self._note()

    def _launch(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        service = Service(name, command, environment, self.data_dir / "logs" / f"{name}.log")
        self._services[name] = service
        service.start()

    def _wait_until_ready(self, service: Service) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while obstacle := self._obstacle(service.name):
            service.check()
            if time.monotonic() > deadline:
                raise ServiceMissing(
                    f"{service.name} is not ready after {START_TIMEOUT_S:g} s: {obstacle}; see {service.log}"
                )
            time.sleep(_POLL_S)

    def _obstacle(self, name: str) -> str:
        """Why a service cannot be used yet; "" when it can."""
        if name == "ingest":
            return ""
        if name == "broker":
            return "" if _accepts(self._ports[name]) else "it does not listen"
        try:
            (self.backend if name == "backend" else self.agent).ready()
        except DynaSplitError as error:
            return str(error)
        return ""

    def _note(self) -> None:
        """Writes who runs where, for people who look into a running stack."""
        processes = {name: service.process.pid for name, service in self._services.items() if service.process}
        facts = {"pids": processes, "ports": self._ports, "device": self.device}
        write_text(self.data_dir / "stack.json", json.dumps(facts, indent=2) + "\n")

    def _broker_command(self) -> list[str]:
        passwords = self.data_dir / "broker-passwords"
        write_password_file(passwords, self._passwords)
        port = str(self._ports["broker"])
        arguments = ["--port", port, "--password-file", str(passwords), "--device", self.device]
        return [sys.executable, "-m", "tools.embedded_broker", *arguments]

    def _backend_command(self) -> list[str]:
        bind = f"127.0.0.1:{self._ports['backend']}"
        return [sys.executable, "-m", "gunicorn", "-c", "python:cloud.gunicorn_conf", "--workers", "2", "--bind", bind]

    def _broker_url(self, user: str) -> str:
        return f"mqtt://{user}:{self._passwords[user]}@127.0.0.1:{self._ports['broker']}"

    def _backend_environment(self) -> dict[str, str]:
        return self._ingest_environment() | {
            "DYNASPLIT_OPERATOR_TOKEN": self._token,
            "DYNASPLIT_NODE_NAME": "this-machine",
            "DYNASPLIT_NODE_BUSY_WATTS": str(self._node.busy_watts),
            "DYNASPLIT_NODE_IDLE_WATTS": str(self._node.idle_watts),
        }

    def _ingest_environment(self) -> dict[str, str]:
        return {
            "DYNASPLIT_DATA_DIR": str(self.data_dir / "cloud"),
            "DYNASPLIT_BROKER_URL": self._broker_url(CLOUD_USER),
            "DYNASPLIT_SHARE": "off",
        }

    def _agent_environment(self, device_token: str) -> dict[str, str]:
        return {
            "DYNASPLIT_DEVICE": self.device,
            "DYNASPLIT_DATA_DIR": str(self.data_dir / "agent"),
            "DYNASPLIT_BACKEND_URL": self.backend.url,
            "DYNASPLIT_DEVICE_TOKEN": device_token,
            "DYNASPLIT_BROKER_URL": self._broker_url(self.device),
            "DYNASPLIT_OPERATOR_TOKEN": self._token,
            "DYNASPLIT_OPERATOR_PUBLIC_KEY": public_key_of(self.private_key),
            "DYNASPLIT_BOARD": self._board,
            "DYNASPLIT_EMULATED_LINK": "true",
            "DYNASPLIT_PORT": str(self._ports["agent"]),
        }


def _locked(data_dir: Path) -> IO[str]:
    """Holds the data directory for this process; InvalidInput while another one holds it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        raise InvalidInput(f"data directory {data_dir} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise InvalidInput(f"data directory {data_dir} is in use by another demo; name another one") from error
    return lock


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
