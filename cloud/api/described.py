"""What an endpoint takes and answers, said beside it: the OpenAPI document is made of this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

JSON = "application/json"
JSON_LINES = "application/x-ndjson"
BYTES = "application/octet-stream"

View = TypeVar("View", bound=Callable[..., Any])

_OPERATION = "dynasplit_operation"


@dataclass(frozen=True)
class Operation:
    """One endpoint as it is described. Types are such as pydantic makes a JSON schema of: dataclasses, models, lists.

    `answers`: by status, a type that is sent as JSON, types by media type (`bytes`: any content), or None for no body.
    `refusals`: statuses of errors beyond those that every endpoint has.
    `body` and what it may be, as in `answers`; `body_optional`: it may be left out.
    """

    answers: Mapping[int, Any]
    query: type[BaseModel] | None = None
    body: Any = None
    body_optional: bool = False
    refusals: Sequence[int] = ()


def described(operation: Operation) -> Callable[[View], View]:
    """Tells the document of the decorated endpoint, which it leaves as it is: nothing is done per request."""

    def tell(view: View) -> View:
        setattr(view, _OPERATION, operation)
        return view

    return tell


def operation_of(view: Callable[..., Any]) -> Operation:
    """What `described` said of an endpoint; TypeError where it said nothing."""
    operation = getattr(view, _OPERATION, None)
    if not isinstance(operation, Operation):
        raise TypeError(f"endpoint {view.__qualname__} says by no decorator what it takes and answers: described")
    return operation


def by_media_type(content: Any) -> Mapping[str, Any]:
    """What a body may be: types by media type, JSON where only a type is given."""
    return content if isinstance(content, Mapping) else {JSON: content}
