"""gunicorn's settings for the backend, in one place: `gunicorn -c python:cloud.gunicorn_conf`.

`DYNASPLIT_BIND`, `DYNASPLIT_WORKERS` and `DYNASPLIT_GRACEFUL_S` change what differs between sites; gunicorn's own options win
over all of it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.errors import InvalidInput
from protocol.settings import PREFIX, load


@dataclass(frozen=True)
class Serving:
    """What differs between sites. `workers`: processes, 0 for as many as cores."""

    bind: str = "127.0.0.1:8000"
    workers: int = 0
    graceful_s: int = 30

    def __post_init__(self) -> None:
        for name in ("workers", "graceful_s"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"{PREFIX}{name.upper()} must be 0 or more, not {getattr(self, name)}")


def _serving() -> Serving:
    try:
        return load(Serving, toml=None, environment=os.environ)
    except InvalidInput as error:
        sys.stderr.write(f"dynasplit backend: {error}\n")
        raise SystemExit(error.exit_code) from None


_SERVING = _serving()
_MEMORY = Path("/dev/shm")  # noqa: S108 - the kernel makes it, tmpfs(5)

wsgi_app = "cloud.wsgi:app"
worker_class = "cloud.front.worker.Worker"
logger_class = "cloud.front.server_log.ServerLog"
bind = _SERVING.bind

# A tail holds the interpreter while it computes: as many processes as cores.
workers = _SERVING.workers or len(os.sched_getaffinity(0))

# Each waits for its turn at a tail, or for the database; what arrives slowly waits in front of them.
threads = 32
worker_connections = 1000
keepalive = 75

# Packing the weights of a large network holds the interpreter as well, for minutes on a small machine.
timeout = 300
graceful_timeout = _SERVING.graceful_s

limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# Workers show that they live by a file, which must not lie on a disk that stalls, or on a root that is read-only.
worker_tmp_dir = str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
control_socket_disable = True

# The workers count in files, from which whoever of them is asked for metrics tells the sum. Set before anything imports
# prometheus_client, which looks for it once.
_COUNTS = "PROMETHEUS_MULTIPROC_DIR"
_OURS = "dynasplit-counts-"
os.environ.setdefault(_COUNTS, f"{worker_tmp_dir or tempfile.gettempdir()}/{_OURS}{os.getpid()}-{secrets.token_hex(8)}")


def on_starting(_server: Any) -> None:
    """What another start has counted is not ours; what one that was killed has left is nobody's."""
    counts = Path(os.environ[_COUNTS])
    for pattern in ("*.db", "*.ledger"):
        for file in counts.glob(pattern):
            file.unlink(missing_ok=True)
    for folder in counts.parent.glob(f"{_OURS}*-*"):
        if not Path("/proc", folder.name.removeprefix(_OURS).partition("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)


def child_exit(_server: Any, worker: Any) -> None:
    """A worker that has ended waits for nothing any longer; what it has counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Leaves no files behind."""
    folder = Path(os.environ[_COUNTS])
    if folder.name.startswith(_OURS):
        shutil.rmtree(folder, ignore_errors=True)
