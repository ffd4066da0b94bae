"""What a request gives, checked against the model that also describes it."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, get_origin

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.api.requests import json_object
from protocol.documents import check_text
from protocol.errors import InvalidInput

Query = TypeVar("Query", bound="QueryModel")
Body = TypeVar("Body", bound="BodyModel")


Count = Annotated[int, Field(ge=1, lt=2**31)]
"""A whole number of 1 or more."""

Moment = Annotated[float, Field(allow_inf_nan=False)]
"""Wall time in seconds since the epoch."""


class QueryModel(BaseModel):
    """The query of an endpoint. A name that it does not know is refused: a filter with a typo would pass everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BodyModel(BaseModel):
    """The JSON object that an endpoint takes. Fields that it does not know are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class GrantModel(BodyModel):
    """The JSON object of an endpoint that lets somebody in. A name that it does not know is refused: with a typo in what bounds
    it, it would let in more than was meant."""

    model_config = ConfigDict(extra="forbid")


def query_of(model: type[Query]) -> Query:
    """The query string; a value that is empty is as good as none. InvalidInput, in one line, for what cannot be."""
    given: dict[str, Any] = {}
    for name, values in request.args.lists():
        check_text(name, what="query")
        texts = [text for text in values if text]
        for text in texts:
            check_text(text, what=f"query '{name:.40}'")
        if name in model.model_fields and get_origin(model.model_fields[name].annotation) is tuple:
            given[name] = texts
        elif len(texts) > 1:
            raise InvalidInput(f"query '{name:.40}' was given {len(texts)} times; give it once")
        elif texts or name not in model.model_fields:
            given[name] = "".join(texts)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(_first_line(error, known=model, what="query")) from error


def body_of(model: type[Body], *, what: str) -> Body:
    """The body as a JSON object; InvalidInput that names `what`, in one line, for what cannot be."""
    try:
        return model.model_validate(json_object(what=what))
    except ValidationError as error:
        raise InvalidInput(_first_line(error, known=model, what=what)) from error


def _first_line(error: ValidationError, *, known: type[BaseModel], what: str) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{what} '{place:.40}' is not known here; known: {', '.join(known.model_fields) or 'none'}"
    if first["type"] == "missing":
        return f"{what} lacks '{place:.40}'"
    reason = first["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
    return f"{what} '{place:.40}' {reason:.200}, not {first['input']!r:.60}"
