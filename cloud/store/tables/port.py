"""Tables as the cloud keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocol.errors import Conflict, NotFound
from protocol.messages import TableReport
from protocol.signing import SignedTable
from protocol.table import Table


@dataclass(frozen=True)
class DesiredTable:
    """The table that a device shall use for a network, and whether the broker has taken it."""

    signed: SignedTable
    published: bool


class TableStore(Protocol):
    """Drafts, desired tables, and what devices did with them.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away.
    """

    def add_draft(self, table: Table) -> None:
        """Keeps an unsigned table under its digest; a repeat changes nothing."""
        ...

    def draft(self, digest: str) -> Table:
        """NotFound when there is none with this digest."""
        ...

    def drafts(self) -> list[Table]:
        """All drafts, by network, device and digest."""
        ...

    def set_desired(self, signed: SignedTable) -> None:
        """Makes it the desired table of its device and network; Conflict unless its version is newer.

        The same table again is no conflict as long as it was not published. Two at once: only one of a version wins.
        """
        ...

    def note_published(self, signed: SignedTable) -> None:
        """The broker has taken this table."""
        ...

    def desired(self, device: str, network: str) -> DesiredTable | None: ...

    def all_desired(self) -> list[DesiredTable]:
        """By device and network."""
        ...

    def note_report(self, device: str, report: TableReport, *, at: float) -> None:
        """What a device did with a table; the latest report per network is kept."""
        ...

    def reported(self, device: str, network: str) -> TableReport | None: ...


def draft_unknown(digest: str) -> NotFound:
    return NotFound(f"no draft has digest {digest:.64}")


def not_newer(signed: SignedTable, version: int) -> Conflict:
    table = signed.table
    return Conflict(
        f"table version {table.version} for {table.network} on {table.device} is not newer than {version}; "
        f"sign it again under version {version + 1}"
    )
