"""The documents of `protocol` as they travel: their fields and their `schema` number, for the description."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.enrolment import Enrolled
from protocol.measurement import Measurement
from protocol.messages import Inference, TableReport
from protocol.samples import Sample
from protocol.table import Table


@dataclass(frozen=True)
class TableDocument(Table):
    """A table. Its digest is the sha256 of its canonical form."""

    schema: int = field(kw_only=True)


@dataclass(frozen=True)
class SignedTableDocument:
    """A table, its digest, and the operator's Ed25519 signature over its canonical form."""

    schema: int
    table: TableDocument
    digest: str
    signature: str


@dataclass(frozen=True)
class TableReportDocument(TableReport):
    """What a device did with a table."""

    schema: int = field(kw_only=True)


@dataclass(frozen=True)
class InferenceDocument(Inference):
    """The record of one request."""

    schema: int = field(kw_only=True)


@dataclass(frozen=True)
class MeasurementDocument(Measurement):
    """A configuration with what it cost."""

    schema: int = field(kw_only=True)


@dataclass(frozen=True)
class SampleDocument(Sample):
    """What a device drew over a stretch of time."""

    schema: int = field(kw_only=True)


@dataclass(frozen=True)
class EnrolledDocument(Enrolled):
    """All that a device cannot know by itself."""

    schema: int = field(kw_only=True)
