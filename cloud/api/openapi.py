"""The description of the endpoints as OpenAPI 3.1, made from the routes themselves, so that it cannot lag behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify
from werkzeug.routing import Rule

from cloud.access.scopes import Scope
from cloud.api.access import allowed, needs_of

blueprint = Blueprint("openapi", __name__)

_METHODS = ("GET", "PUT", "POST", "DELETE")
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


@blueprint.get("/api/v1/openapi.json")
@allowed(Scope.READ)
def document() -> Response:
    """This description."""
    return jsonify(description(current_app))


def description(app: Flask) -> dict[str, Any]:
    """All endpoints of an app: paths, methods, what they do, and which need a token."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", rule.rule), {}).update(_operations(app, rule))
    return {
        "openapi": "3.1.0",
        "info": {"title": "DynaSplit backend", "version": installed_version("dynasplit")},
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
    }


def _operations(app: Flask, rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    endpoint = app.view_functions[rule.endpoint]
    summary, _, rest = (endpoint.__doc__ or "").strip().partition("\n\n")
    for method in sorted(set(rule.methods or ()) & set(_METHODS)):
        operation: dict[str, Any] = {
            "summary": summary,
            "responses": {"2XX": {"description": "good"}, "default": _failure()},
            "security": [{"token": [scope.value]} for scope in needs_of(endpoint).any_of],
        }
        if rest:
            operation["description"] = " ".join(rest.split())
        if rule.arguments:
            operation["parameters"] = [_parameter(name) for name in sorted(rule.arguments)]
        yield method.lower(), operation


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _failure() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": "what was wrong", "content": {"application/json": {"schema": schema}}}
