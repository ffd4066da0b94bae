"""Drafts as the cloud keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocol.errors import Conflict, NotFound
from protocol.table import Table

DraftPlace = tuple[float, str]
"""When a draft was added, and its digest: its place among all."""


@dataclass(frozen=True)
class DraftFacts:
    """What a draft is for; `rows` counts its configurations.

    `content_digest` is the same for tables, signed ones too, that differ in device and version alone. `added_at`: wall time in
    seconds since the epoch.
    """

    digest: str
    network: str
    device: str
    bundle: str
    rows: int
    content_digest: str
    added_at: float

    @classmethod
    def of(cls, table: Table, *, at: float) -> DraftFacts:
        return cls(
            digest=table.digest,
            network=table.network,
            device=table.device,
            bundle=table.bundle,
            rows=len(table.rows),
            content_digest=table.content_digest,
            added_at=at,
        )


class DraftStore(Protocol):
    """All drafts. As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away."""

    def add_draft(self, table: Table, *, at: float) -> None:
        """Keeps an unsigned table under its digest; one that is here already counts as added `at` this time."""
        ...

    def draft(self, digest: str) -> Table:
        """NotFound when there is none with this digest."""
        ...

    def drafts(self, *, before: DraftPlace | None = None, limit: int | None = None) -> list[DraftFacts]:
        """Latest first, at most `limit`, from `before` on."""
        ...

    def remove_draft(self, digest: str) -> None:
        """Deletes it. NotFound, or Conflict while a device shall use what it holds."""
        ...


def draft_unknown(digest: str) -> NotFound:
    return NotFound(f"no draft has digest {digest:.64}")


def draft_used(digest: str, *, device: str, network: str) -> Conflict:
    return Conflict(
        f"draft {digest:.12} was signed, and {device} shall use it for {network}; push another table there first"
    )
