"""Tables as the cloud keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from protocol.errors import Conflict, NotFound
from protocol.messages import TableReport
from protocol.signing import SignedTable
from protocol.table import Table

NO_TABLE = ""
"""In place of a digest: the device shall use no table for the network any more."""


@dataclass(frozen=True)
class DesiredTable:
    """The table that a device shall use for a network, and whether the broker has taken it."""

    signed: SignedTable
    published: bool


@dataclass(frozen=True)
class TableVersion:
    """What there is to say of a signed table without its rows.

    `content_digest` is the same for tables that differ in device and version alone. `set_at`: when it became the desired
    one, wall time in seconds since the epoch, None where nobody noted it.
    """

    device: str
    network: str
    version: int
    digest: str
    content_digest: str
    bundle: str
    rows: int
    set_at: float | None

    @classmethod
    def of(cls, table: Table, *, set_at: float | None) -> TableVersion:
        return cls(
            device=table.device,
            network=table.network,
            version=table.version,
            digest=table.digest,
            content_digest=table.content_digest,
            bundle=table.bundle,
            rows=len(table.rows),
            set_at=set_at,
        )

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class DesiredVersion:
    """Which table a device shall use, and whether the broker has taken it."""

    version: TableVersion
    published: bool


@dataclass(frozen=True)
class ReceivedReport:
    """What a device did with a table, and when that came in, in seconds since the epoch."""

    report: TableReport
    at: float


class TableStore(Protocol):
    """Signed tables, which of them are desired, and what devices did with them.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away.
    """

    def keep_signed(self, signed: Sequence[SignedTable]) -> None:
        """Keeps signed tables under their digests, that nobody shall use yet. All or none; a repeat changes nothing."""
        ...

    def signed(self, digest: str) -> SignedTable:
        """A signed table, desired at some time or not; NotFound when there is none with this digest."""
        ...

    def set_desired(self, signed: SignedTable, *, at: float | None = None, rollout: str | None = None) -> None:
        """Makes it the desired table of its device and network; Conflict unless its version is newer.

        Also Conflict where it is for a rollout that does not run (any more), or for a device that was retired meanwhile. The
        same table again is no conflict as long as it was not published. Two at once: only one of a version wins.
        """
        ...

    def note_published(self, device: str, network: str, *, digest: str) -> None:
        """The broker has taken the table with this digest; `NO_TABLE`: it keeps none any more."""
        ...

    def note_desired_lost(self) -> None:
        """The broker may have lost all that it took, and may keep again what was withdrawn: nothing counts as published."""
        ...

    def desired(self, device: str, network: str) -> DesiredTable | None:
        """What a device shall use for a network; None where it shall use none (any more), or nobody knows the device."""
        ...

    def desired_versions(self, network: str) -> Mapping[str, DesiredVersion]:
        """What each device shall use for a network, by device."""
        ...

    def last_versions(self, network: str) -> Mapping[str, int]:
        """The newest version that each device was ever to use for a network, by device; also those that shall use none now."""
        ...

    def has_tables(self, device: str) -> bool:
        """Whether it was ever to use a table of any network, or spoke of one."""
        ...

    def withdrawn(self, device: str) -> list[str]:
        """The networks for which it was once to use a table, and shall use none since it was removed."""
        ...

    def unpublished_desired(self) -> list[tuple[str, str]]:
        """Devices and networks whose desired table the broker has not taken; and for which it still keeps one that was
        withdrawn."""
        ...

    def history(
        self, device: str, network: str, *, below: int | None = None, limit: int | None = None
    ) -> list[TableVersion]:
        """What a device was ever to use for a network, newest version first, at most `limit`; of versions `below` one."""
        ...

    def knows_network(self, network: str) -> bool:
        """Whether there is a bundle of it, or any device was ever to use a table for it."""
        ...

    def note_report(self, device: str, report: TableReport, *, at: float, now: float = math.inf) -> None:
        """What a device did with a table, which came in `at`; the latest report per network is kept, whichever is noted last.

        `now`: the same clock as it is noted. A report from after that came in before the clock was set back: the new one
        is later. A repeat of what is known changes nothing, so it is told when that first came in.
        """
        ...

    def reported(self, device: str, network: str) -> TableReport | None:
        """The latest report of a device on its table for a network; None where it said nothing, or was removed since."""
        ...

    def reports(self, network: str) -> Mapping[str, ReceivedReport]:
        """The latest report of each device on its table for a network, by device."""
        ...


def signed_unknown(digest: str) -> NotFound:
    return NotFound(f"no signed table has digest {digest:.64}")


def not_running(rollout: str) -> Conflict:
    return Conflict(f"rollout {rollout:.64} does not run any more")


def retired_meanwhile(device: str) -> Conflict:
    return Conflict(f"device {device:.64} is not registered (any more): no rollout gives it a table")


def not_newer(signed: SignedTable, version: int) -> Conflict:
    table = signed.table
    return Conflict(
        f"table version {table.version} for {table.network} on {table.device} is not newer than {version}; "
        f"sign it again under version {version + 1}"
    )
