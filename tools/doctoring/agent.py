"""The agent: whether it runs here, is the one of these settings, and is ready."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.settings import EdgeSettings
from protocol.errors import DynaSplitError
from tools.doctoring.findings import Finding, error, warning, well
from tools.unix_socket import UNIX
from tools.web import Web

_TIMEOUT_S = 5.0
_START = "start it: systemctl start dynasplit-edge; what it says: journalctl -u dynasplit-edge"


def runs(settings: EdgeSettings) -> bool:
    """Whether something listens where the agent does: then clocks and accelerator may be its own."""
    return _obstacle(settings) == 0


def check_agent(settings: EdgeSettings) -> Iterator[Finding]:
    """By its local API, as an application would ask it."""
    where = _where(settings)
    if not settings.socket and not settings.port:
        yield warning("agent", "port 0 is another one at each start: it cannot be asked", "set 'port'")
        return
    if obstacle := _obstacle(settings):
        yield _unreachable(where, obstacle)
        return
    web = Web(where, name="agent", timeout_s=_TIMEOUT_S)
    try:
        about = web.get("/v2")["device"]
        device = about["device"]
    except (DynaSplitError, LookupError, TypeError) as other:
        seen = f"what listens at {where} does not answer as the agent does"
        yield error("agent", f"{seen} ({other})", f"stop it, or set another {_setting(settings)}")
        return
    if device != settings.device:
        seen = f"{where} is taken by the agent of device {device}"
        yield error("agent", seen, f"stop it, or set another {_setting(settings)}")
        return
    yield _ready(web, where)
    yield from _accelerators(about.get("accelerator_health"))


def _accelerators(health: Any) -> Iterator[Finding]:
    """Those that it leaves alone: it has the Edge TPU, so nobody else can try it now."""
    for kind, said in health.items() if isinstance(health, Mapping) else ():
        if isinstance(said, Mapping) and not said.get("usable", True):
            seen = f"the agent leaves it alone: {said.get('reason')}"
            yield warning(f"Edge TPU {kind}", seen, "plug it in again; or stop the agent and ask the doctor once more")


def _ready(web: Web, where: str) -> Finding:
    try:
        web.call("GET", "/v2/health/ready")
    except DynaSplitError as reason:
        return error("agent", f"runs at {where}, but is not ready: {reason}", "journalctl -u dynasplit-edge")
    return well("agent", f"serves at {where}")


def _unreachable(where: str, obstacle: int) -> Finding:
    if obstacle in (errno.EACCES, errno.EPERM):
        return warning("agent", f"this user may not ask it at {where}", "add the user to group dynasplit")
    if obstacle == errno.EAGAIN:
        return error("agent", f"what listens at {where} takes no connection", "journalctl -u dynasplit-edge")
    return warning("agent", f"does not run: nobody listens at {where}", _START)


def _obstacle(settings: EdgeSettings) -> int:
    """What keeps from connecting (errno); 0 for nothing."""
    try:
        with contextlib.closing(_connected(settings)):
            return 0
    except TimeoutError:
        return errno.EAGAIN
    except OSError as refused:
        return refused.errno or errno.ENOENT
    except ValueError:  # no name of a host, or of a file
        return errno.EINVAL


def _connected(settings: EdgeSettings) -> socket.socket:
    if settings.socket is None:
        return socket.create_connection((settings.host, settings.port), timeout=_TIMEOUT_S)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_TIMEOUT_S)
        connection.connect(str(settings.socket))
    except OSError:
        connection.close()
        raise
    return connection


def _where(settings: EdgeSettings) -> str:
    if settings.socket:
        return f"{UNIX}{Path(settings.socket)}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _setting(settings: EdgeSettings) -> str:
    return "'socket'" if settings.socket else "'port'"
