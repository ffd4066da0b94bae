"""Tables on disk: one file per network, replaced as a whole."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge import durable
from edge.tables.probation import Probation
from edge.tables.room import DiskFull
from protocol.documents import check_schema, checked, parse_object
from protocol.errors import DynaSplitError
from protocol.signing import SignedTable
from protocol.topics import check_name

logger = logging.getLogger(__name__)

SCHEMA = 1
_REJECTIONS_KEPT = 32


@dataclass(frozen=True)
class TableHistory:
    """What a device knows of one network's tables.

    `rejected` maps the fingerprint of a signed document, signature included, to the reason. (A bare content digest would
    let anyone who can publish a badly signed copy block the real table.) `probation`: the current table has not had its
    first requests yet. `rolled_back`: why the table before is in use again, "" where it is not.
    """

    current: SignedTable | None = None
    previous: SignedTable | None = None
    rejected: Mapping[str, str] = field(default_factory=dict)
    probation: Probation | None = None
    rolled_back: str = ""

    def with_current(self, signed: SignedTable, *, fingerprint: str) -> TableHistory:
        """With a new table, on probation where there is one to go back to: the last one that was not on probation itself."""
        proven = self.previous if self.probation else self.current
        probation = Probation(fingerprint) if proven else None
        return replace(self, current=signed, previous=proven, probation=probation, rolled_back="")

    def with_previous(self, fingerprint: str, reason: str) -> TableHistory:
        """Back at the table before; the current one's document counts as rejected."""
        rejected = self.with_rejected(fingerprint, reason).rejected
        return TableHistory(current=self.previous, rejected=rejected, rolled_back=reason)

    def with_rejected(self, fingerprint: str, reason: str) -> TableHistory:
        kept = dict(list(self.rejected.items())[-(_REJECTIONS_KEPT - 1) :])
        return replace(self, rejected=kept | {fingerprint: reason})

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "current": self.current.to_json() if self.current else None,
            "previous": self.previous.to_json() if self.previous else None,
            "rejected": dict(self.rejected),
            "probation": self.probation.to_json() if self.probation else None,
            "rolled_back": self.rolled_back,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str) -> TableHistory:
        check_schema(content, current=SCHEMA, what=what)
        tables = {
            name: None if content.get(name) is None else SignedTable.from_json(content[name], what=f"{what}: {name}")
            for name in ("current", "previous")
        }
        probation = content.get("probation")
        return cls(
            **tables,
            rejected=checked(content.get("rejected"), dict, what=f"{what}: 'rejected'"),
            probation=None if probation is None else Probation.from_json(probation, what=f"{what}: probation"),
            rolled_back=checked(content.get("rolled_back", ""), str, what=f"{what}: 'rolled_back'"),
        )


class TableStore:
    """Histories by network in `<folder>/<network>.json`. A crash at any moment leaves the old or the new file, never half."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def networks(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def bundles(self) -> set[str]:
        """The digests of the bundles that current and previous tables are for."""
        histories = [self.load(network) for network in self.networks()]
        tables = [signed.table for known in histories for signed in (known.current, known.previous) if signed]
        return {table.bundle for table in tables}

    def load(self, network: str) -> TableHistory:
        """The history; an empty one where there is none, or where the file cannot be read (it is set aside and logged)."""
        path = self._path(network)
        try:
            return TableHistory.from_json(parse_object(path.read_bytes(), what=str(path)), what=str(path))
        except FileNotFoundError:
            return TableHistory()
        except (DynaSplitError, OSError) as error:
            logger.error("tables of %s cannot be used, waiting for a new push: %s", network, error)
            durable.set_aside(path)
            return TableHistory()

    def save(self, network: str, history: TableHistory) -> None:
        """Replaces what was known of the network, in one step; DiskFull where the disk refuses."""
        path, content = self._path(network), json.dumps(history.to_json(), separators=(",", ":")).encode()
        try:
            durable.replace_content(path, content)
        except OSError as error:
            raise DiskFull(f"{path} cannot be written: {error.strerror}; free some of the disk") from error

    def _path(self, network: str) -> Path:
        return self._folder / f"{check_name(network, what='network')}.json"
