"""What may be asked of records: filters, how many, from where on, and in which format."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from cloud.api.given import Count, Moment, QueryModel
from cloud.store.records.port import Selection


class Format(StrEnum):
    """How records are sent. `json` is one page; the others are all records, or `limit` of them."""

    JSON = "json"
    JSON_LINES = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class RecordQuery(QueryModel):
    """What all kinds of records can be asked for. Times are wall time in seconds since the epoch."""

    since: Annotated[Moment | None, Field(description="by the device's clock: then or later")] = None
    until: Annotated[Moment | None, Field(description="by the device's clock: before then")] = None
    received_since: Annotated[Moment | None, Field(description="came in then or later")] = None
    received_until: Annotated[Moment | None, Field(description="came in before then")] = None
    limit: Annotated[
        Count | None, Field(description="at most so many; of a page 100 when not given, and 1000 at most")
    ] = None
    cursor: Annotated[str | None, Field(description="go on where a page ended: its `next`")] = None
    format: Annotated[Format | None, Field(description="instead of the header Accept; jsonl when neither says")] = None

    def selection(self, **more: Any) -> Selection:
        """The filters alone."""
        filters = self.model_dump(exclude={"limit", "cursor", "format"})
        return Selection(**filters, **more)


class MeasurementQuery(RecordQuery):
    """What measurements can be asked for."""

    device: str | None = None
    network: str | None = None
    bundle: str | None = None
    run: str | None = None
    cut: Annotated[int | None, Field(ge=0, lt=2**31)] = None


class InferenceQuery(MeasurementQuery):
    """What inferences can be asked for."""

    strategy: str | None = None
    violation: bool | None = None
