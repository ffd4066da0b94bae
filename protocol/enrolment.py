"""Enrolment: what a device is given for its one-use code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from protocol import documents
from protocol.documents import check_schema
from protocol.topics import check_name

SCHEMA = 1


@dataclass(frozen=True)
class Enrolled:
    """All that a device cannot know by itself. `broker_url` holds no user; `ca` is PEM, "" for the system's authorities."""

    device: str
    device_token: str = field(repr=False)
    broker_url: str
    broker_user: str
    broker_password: str = field(repr=False)
    operator_public_key: str
    ca: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **{item.name: getattr(self, item.name) for item in fields(self)}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Enrolled:
        """InvalidInput that names what is wrong."""
        what = "enrolment"
        check_schema(content, current=SCHEMA, what=what)
        texts = {item.name: documents.field(content, item.name, str, what=what) for item in fields(cls)}
        check_name(texts["device"], what="device")
        return cls(**texts)
