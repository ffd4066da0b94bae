"""Inference requests whose head leaves nothing to judge, as WSGI (PEP 3333) wants them.

gunicorn's parser takes a hundred calls of Python for a head, each of which costs several times as much as usual while a tail keeps
the processor's caches to itself. A plain head is one that it would read in just one way; whatever is odd is left to it.
"""

from __future__ import annotations

import os
import re
from typing import Any

from gunicorn.http.wsgi import base_environ  # type: ignore[import-untyped]

from cloud.front.arrival import ReceivedBody, Stage
from cloud.front.connection import Connection

_MOST_HEAD_BYTES = 2048
_HEAD = re.compile(
    rb"POST (/v2/models/[A-Za-z0-9._~-]+(?:/versions/[0-9]+)?/infer) HTTP/1\.1\r\n"
    rb"((?:[A-Za-z-]+: ?[!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
_FIELD = re.compile(r"([A-Za-z-]+): ?([^\r]*)\r\n")
_FIELDS = (
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Host",
    "Inference-Header-Content-Length",
    "User-Agent",
    "X-Request-Id",
)
"""What clients of the protocol send. None changes how a head is read, but for the lengths of lines and what `Connection` says."""

_UNPREFIXED = ("Content-Length", "Content-Type")
_KEYS = {name.lower(): ("" if name in _UNPREFIXED else "HTTP_") + name.upper().replace("-", "_") for name in _FIELDS}


class PlainHeads:
    """Reads them as gunicorn would with these settings; thread-safe. With settings that make it look closer none is plain."""

    def __init__(self, cfg: Any) -> None:
        self._on = _leaves_heads_alone(cfg)
        self._base = {
            **base_environ(cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "https" if cfg.is_ssl else "http",
            "REQUEST_METHOD": "POST",
            "QUERY_STRING": "",
            "SCRIPT_NAME": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }

    def environ_of(self, connection: Connection) -> dict[str, Any] | None:
        """Of a whole request, whose connection is to be kept; None for one that gunicorn should look at."""
        arrival = connection.arrival
        if not self._on or arrival.stage is not Stage.WHOLE or len(arrival.head) > _MOST_HEAD_BYTES:
            return None
        head = _HEAD.fullmatch(arrival.head)
        if head is None or not isinstance(connection.client, tuple):
            return None
        fields = _fields(head[2].decode())
        if fields is None or fields.get("CONTENT_LENGTH") != str(len(arrival.body)):
            return None
        path = head[1].decode()
        body = ReceivedBody(arrival.body, connection.arrived_s)
        return {**self._of_connection(connection), **fields, "RAW_URI": path, "PATH_INFO": path, "wsgi.input": body}

    def _of_connection(self, connection: Connection) -> dict[str, Any]:
        if not connection.environ:
            (address, port, *_), (name, server_port, *_) = connection.client, connection.server
            ends = {
                "REMOTE_ADDR": address,
                "REMOTE_PORT": str(port),
                "SERVER_NAME": name,
                "SERVER_PORT": str(server_port),
            }
            connection.environ = {**self._base, **ends, "gunicorn.socket": connection.sock}
        return connection.environ


def _fields(lines: str) -> dict[str, str] | None:
    """By their keys in the environment; None where one is unknown or there twice, or the connection is to be closed."""
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(lines):
        key = _KEYS.get(name.lower())
        if key is None or key in found:
            return None
        found[key] = value
    kept = found.get("HTTP_CONNECTION", "keep-alive").lower() == "keep-alive"
    return found if kept and "HTTP_HOST" in found else None


def _leaves_heads_alone(cfg: Any) -> bool:
    """Whether nobody is told of each request, the address before it is what it seems, and no limit is lower than ours."""
    told = cfg.accesslog or cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json or cfg.syslog or cfg.statsd_host
    hooks = any(cfg.settings[name].get() is not cfg.settings[name].default for name in ("pre_request", "post_request"))
    moved = cfg.proxy_protocol != "off" or "SCRIPT_NAME" in os.environ
    meant = {name.upper() for name in _FIELDS} & {*cfg.secure_scheme_headers, *cfg.forwarder_headers}
    sizes = (cfg.limit_request_line, cfg.limit_request_field_size)
    cramped = any(0 < size < _MOST_HEAD_BYTES for size in sizes) or 0 < cfg.limit_request_fields < len(_FIELDS)
    return not (told or hooks or moved or meant or cramped)
