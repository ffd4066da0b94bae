"""gunicorn's settings for the backend, in one place: `gunicorn -c python:cloud.gunicorn_conf`.

`DYNASPLIT_BIND`, `DYNASPLIT_WORKERS` and `DYNASPLIT_GRACEFUL_S` change what differs between sites; gunicorn's own options win
over all of it.
"""

from __future__ import annotations

import os
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - the kernel makes it, tmpfs(5)

wsgi_app = "cloud.wsgi:app"
worker_class = "cloud.front.worker.Worker"
bind = os.environ.get("DYNASPLIT_BIND", "127.0.0.1:8000")

# A tail holds the interpreter while it computes: as many processes as cores.
workers = int(os.environ.get("DYNASPLIT_WORKERS", "0")) or len(os.sched_getaffinity(0))

# Each waits for its turn at a tail, or for the database; what arrives slowly waits in front of them.
threads = 32
worker_connections = 1000
keepalive = 75

# Packing the weights of a large network holds the interpreter as well, for minutes on a small machine.
timeout = 300
graceful_timeout = int(os.environ.get("DYNASPLIT_GRACEFUL_S", "30"))

limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# Workers show that they live by a file, which must not lie on a disk that stalls, or on a root that is read-only.
worker_tmp_dir = str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
control_socket_disable = True
