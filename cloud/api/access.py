"""Who may call an endpoint: said by a decorator on it, checked before anything of the request is read.

    @blueprint.put("/api/v1/devices/<device>/labels")
    @allowed(Scope.WRITE)
    def put_labels(device: str) -> Response: ...

An app with an endpoint that says nothing does not start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Flask, g, request

from cloud.access.caller import Caller
from cloud.access.scopes import Scope
from cloud.services import services

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_MARK = "dynasplit_needs"
_LIMITED = "/api/v1/"
"""Inference has limits of its own."""


@dataclass(frozen=True)
class Needs:
    """What an endpoint takes: a token with any of these scopes; none: it is open to all.

    `own_device`: the device of the path's `<device>` may as well, and of devices it alone.
    """

    any_of: tuple[Scope, ...]
    own_device: bool = False


def allowed(*any_of: Scope, own_device: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Lets those call the endpoint whose token has one of the scopes. 401 without a known token, 403 without the scope.

    `own_device`: also the device that the path's `<device>` names, and no other device.
    """
    if not any_of or (own_device and len(any_of) != 1):
        raise TypeError("allowed() takes scopes; with own_device exactly one")
    return _marking(Needs(any_of, own_device))


def open_to_all(endpoint: Endpoint) -> Endpoint:
    """Lets anybody call the endpoint."""
    return _marking(Needs(()))(endpoint)


def needs_of(endpoint: object) -> Needs:
    """What an endpoint takes; TypeError for one that does not say."""
    needs = getattr(endpoint, _MARK, None)
    if not isinstance(needs, Needs):
        name = getattr(endpoint, "__qualname__", endpoint)
        raise TypeError(f"endpoint {name} says by no decorator who may call it: allowed or open_to_all")
    return needs


def caller() -> Caller:
    """Who sends the request; only of endpoints that take a token."""
    return cast(Caller, g.caller)


def peer() -> str:
    """The address that the request comes from; with the setting `trusted_proxies`, as the outermost of these tells it."""
    return peer_of(request.environ)


def peer_of(environ: WSGIEnvironment) -> str:
    """The same, of a request that the app has not seen."""
    return environ.get("REMOTE_ADDR") or "unknown"


def guard(app: Flask) -> None:
    """Checks each request before its endpoint runs. Call it once all endpoints are there."""
    needs = {name: needs_of(endpoint) for name, endpoint in app.view_functions.items()}

    @app.before_request
    def check() -> None:
        if request.endpoint is not None:
            _check(needs[request.endpoint])


def _check(needs: Needs) -> None:
    if not needs.any_of:
        return
    made = services()
    g.caller = known = made.guard.caller(request.headers.get("Authorization", ""), peer=peer())
    if request.path.startswith(_LIMITED):
        made.rates.take(known.name)
    if needs.own_device:
        known.must_be((request.view_args or {})["device"], or_have=needs.any_of[0])
    else:
        known.must_have(*needs.any_of)


def _marking(needs: Needs) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, needs)
        return endpoint

    return mark
