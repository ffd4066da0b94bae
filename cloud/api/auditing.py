"""Who changed what: each request that is to change something leaves a line in the store and in the log."""

from __future__ import annotations

import logging
import time
import urllib.parse

from flask import Flask, Response, g, request

from cloud.access.scopes import Scope
from cloud.api.access import needs_of, peer
from cloud.services import services
from cloud.store.audit.port import AuditLine
from protocol.errors import ServiceMissing

logger = logging.getLogger(__name__)

_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
_DAY_S = 86_400.0
_MOST = 200
NOBODY = "-"


def about(subject: str) -> None:
    """What the request is about, where its path does not say; never a secret."""
    g.audit_on = subject[:_MOST]


def keep_audit(app: Flask) -> None:
    """Keeps the lines from now on. Who shows no good token changes nothing, and leaves a line in the log alone."""
    changing = {name for name, endpoint in app.view_functions.items() if _may_change(endpoint)}

    @app.after_request
    def keep(response: Response) -> Response:
        if request.endpoint in changing and request.method in _CHANGING and _is_known(response):
            _keep(_line(response.status_code))
        return response


def _may_change(endpoint: object) -> bool:
    needs = needs_of(endpoint)
    return not needs.any_of or bool({Scope.WRITE, Scope.ADMIN} & set(needs.any_of))


def _is_known(response: Response) -> bool:
    """Wrong codes and wrong tokens are many, and counted elsewhere."""
    return "caller" in g or response.status_code < 400


def _line(status: int) -> AuditLine:
    what = f"{request.method} {urllib.parse.quote(request.path)}"
    who = g.caller.name if "caller" in g else NOBODY
    request_id = str(g.get("request_id", ""))
    return AuditLine(time.time(), who, peer()[:64], what[:_MOST], g.get("audit_on", ""), status, request_id[:64])


def _keep(line: AuditLine) -> None:
    told = (line.who, line.peer, line.what, line.on or NOBODY, line.status)
    logger.info("%s from %s: %s on %s: %d", *told)
    made = services()
    try:
        made.store.add_audit(line, forget_before=line.at - made.settings.keep_audit_days * _DAY_S)
    except ServiceMissing as error:
        logger.error("the audit has no line of this: %s from %s: %s on %s: %d: %s", *told, error)
