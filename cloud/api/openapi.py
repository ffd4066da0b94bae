"""The description of all endpoints as OpenAPI 3.1, from what stands beside each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from typing import Any, cast

from flask import Blueprint, Flask, Response, current_app, jsonify
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from werkzeug.routing import Rule

from cloud.access.scopes import Scope
from cloud.api.access import Needs, allowed, needs_of
from cloud.api.described import JSON, Operation, by_media_type, described, operation_of
from cloud.api.path_values import NAME, PATH_VALUES

blueprint = Blueprint("openapi", __name__)

_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")
_DOCUMENT = "dynasplit-openapi"
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_REASONS = {
    400: "the request cannot be used",
    401: "no token, or one that nobody issued",
    403: "the token is good, but not for this",
    404: "it is not here",
    406: "not in this format",
    408: "the body stopped coming",
    409: "it contradicts what is here",
    413: "the body is too large",
    416: "no such range",
    429: "too many requests; try again later",
    503: "something that this needs is away; try again later",
    507: "the disk has no room for it",
}


@blueprint.get("/api/v1/openapi.json")
@allowed(Scope.READ)
@described(Operation(answers={200: dict[str, Any]}))
def document() -> Response:
    """This description."""
    return jsonify(description(current_app))


def description(app: Flask) -> dict[str, Any]:
    """All endpoints of an app: paths, methods, what each takes and answers, and which need a token. Made once per app."""
    if _DOCUMENT not in app.extensions:
        app.extensions[_DOCUMENT] = _described(app)
    return cast(dict[str, Any], app.extensions[_DOCUMENT])


@dataclass
class _Schemas:
    """The types that operations name, asked for one by one and made into schemas together, so that they share their parts."""

    adapters: dict[tuple[str, JsonSchemaMode], TypeAdapter[Any]] = field(default_factory=dict)

    def of(self, kind: Any, mode: JsonSchemaMode) -> dict[str, Any]:
        """A schema; until `filled` it says only which one it will be."""
        if kind is bytes:
            return {}
        key = f"{kind!r}"
        self.adapters.setdefault((key, mode), TypeAdapter(kind))
        return {"$type": (key, mode)}

    def filled(self, content: Any) -> tuple[Any, dict[str, Any]]:
        """`content` with all schemas in their places, and the parts that they share."""
        inputs = [(key, mode, adapter) for (key, mode), adapter in self.adapters.items()]
        made, shared = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
        return _put_in(content, cast(Mapping[Any, Any], made)), shared.get("$defs", {})


def _put_in(content: Any, made: Mapping[Any, Any]) -> Any:
    if isinstance(content, dict):
        if "$type" in content:
            return made[content["$type"]]
        return {name: _put_in(value, made) for name, value in content.items()}
    return [_put_in(value, made) for value in content] if isinstance(content, list) else content


def _described(app: Flask) -> dict[str, Any]:
    schemas = _Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        paths.setdefault(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {}).update(_operations(app, rule, schemas))
    filled, shared = schemas.filled(dict(sorted(paths.items())))
    return {
        "openapi": "3.1.0",
        "info": {"title": "DynaSplit backend", "version": installed_version("dynasplit")},
        "paths": filled,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR, **shared},
        },
    }


def _operations(app: Flask, rule: Rule, schemas: _Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    view = app.view_functions[rule.endpoint]
    summary, _, rest = (view.__doc__ or "").strip().partition("\n\n")
    told, needs = operation_of(view), needs_of(view)
    for method in sorted(set(rule.methods or ()) & set(_METHODS)):
        operation: dict[str, Any] = {
            "operationId": "_".join([*rule.endpoint.split("."), *sorted(rule.arguments)]),
            "summary": " ".join(summary.split()),
            "tags": [rule.endpoint.partition(".")[0]],
            "responses": _responses(told, rule, needs, schemas),
            "security": [{"token": [scope.value]} for scope in needs.any_of],
        }
        if rest:
            operation["description"] = " ".join(rest.split())
        if parameters := [_in_path(name) for name in sorted(rule.arguments)] + list(_in_query(told)):
            operation["parameters"] = parameters
        if told.body is not None:
            content = _content(told.body, "validation", schemas)
            operation["requestBody"] = {"required": not told.body_optional, "content": content}
        yield method.lower(), operation


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": PATH_VALUES.get(name, NAME)}


def _in_query(told: Operation) -> Iterator[dict[str, Any]]:
    if told.query is None:
        return
    schema = told.query.model_json_schema()
    for name, value in schema.get("properties", {}).items():
        plain = _plain(value, schema.get("$defs", {}))
        description = plain.pop("description", "")
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": plain}
        yield {**parameter, "description": description} if description else parameter


def _plain(value: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of one value of a query, which leaves out what it has no value for: never null."""
    schema = {key: part for key, part in value.items() if key not in ("title", "default", "anyOf")}
    (kind,) = [kind for kind in value.get("anyOf", [{}]) if kind != {"type": "null"}]
    reference = {**schema, **kind}.get("$ref", "")
    return {**shared.get(reference.rpartition("/")[2], kind), **schema} if reference else {**kind, **schema}


def _content(content: Any, mode: JsonSchemaMode, schemas: _Schemas) -> dict[str, Any]:
    return {media: {"schema": schemas.of(kind, mode)} for media, kind in by_media_type(content).items()}


def _responses(told: Operation, rule: Rule, needs: Needs, schemas: _Schemas) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, content in told.answers.items():
        answers[str(status)] = {"description": "good"}
        if content is not None:
            answers[str(status)]["content"] = _content(content, "serialization", schemas)
    for status in sorted({*_always(told, rule, needs), *told.refusals} - set(told.answers)):
        schema = {"$ref": "#/components/schemas/Error"}
        answers[str(status)] = {"description": _REASONS[status], "content": {JSON: {"schema": schema}}}
    return answers


def _always(told: Operation, rule: Rule, needs: Needs) -> Iterator[int]:
    """The refusals that follow from what an endpoint is."""
    yield from (400, 503)
    if needs.any_of:
        yield from (401, 403, 429)
    if rule.arguments:
        yield 404
    if told.body is not None:
        yield from (408, 413)
