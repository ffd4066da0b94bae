"""Where records of inferences are read from: a backend, a file of JSON lines, or the database itself.

Each source gives them one by one; none keeps them.
"""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from protocol.documents import field, parse_object
from protocol.errors import InvalidInput, NotFound, ServiceMissing
from protocol.files import open_regular
from protocol.messages import Inference
from protocol.table import Table
from tools.backend import Backend
from tools.reports.identities import Identities
from tools.reports.question import Period, Question

if TYPE_CHECKING:
    from cloud.store.port import Store

_CLOCKS_APART_S = 300.0
"""How far a device's clock may be ahead of the store's, although both are synchronised."""

_LONGEST_LINE = 1 << 24


@dataclass(frozen=True)
class Seen:
    """One inference. `at_s`: when it was, by the device's clock where that was synchronised, else when it came in."""

    device: str
    at_s: float
    inference: Inference


class Records(Protocol):
    """Records of inferences, and the tables of the devices that they are of.

    Raises ServiceMissing where the source is away, and InvalidInput for what cannot be read.
    """

    where: str
    """What to call the source, without secrets."""

    def inferences(self, question: Question) -> Iterator[Seen]:
        """At least those that the question is about; others may be among them."""
        ...

    def devices(self) -> set[str]:
        """The devices that the source knows, once `inferences` was read to its end."""
        ...

    def table(self, device: str, network: str) -> Table | None:
        """The table that the device shall use."""
        ...


def asked_for(found: Iterable[Seen], question: Question) -> Iterator[Seen]:
    """Those that the question is about."""
    for seen in found:
        named = not question.devices or seen.device in question.devices
        if named and question.network in ("", seen.inference.network) and seen.at_s in question.period:
            yield seen


class BackendRecords:
    """What a backend's store holds."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.where = backend.url

    def inferences(self, question: Question) -> Iterator[Seen]:
        since = repr(_received_since(question.period))
        for device in question.devices or ("",):
            filters = {"device": device, "network": question.network, "received_since": since}
            for line in self._backend.inferences(**filters):
                yield _seen(line, what=f"an inference from {self.where}")

    def devices(self) -> set[str]:
        return self._backend.devices()

    def table(self, device: str, network: str) -> Table | None:
        try:
            desired, _ = self._backend.tables(device, network)
        except NotFound:  # the device, or the network, is only known by its records
            return None
        return desired.table if desired else None


class StoreRecords:
    """What a store holds, read without a backend."""

    def __init__(self, store: Store, *, where: str) -> None:
        self._store = store
        self.where = where

    def inferences(self, question: Question) -> Iterator[Seen]:
        from cloud.store.records.port import Selection

        since = _received_since(question.period)
        for device in question.devices or (None,):
            selection = Selection(device=device, network=question.network or None, received_since=since)
            for kept in self._store.inferences(selection):
                inference = Inference.from_json(kept.body, what=f"an inference of {kept.device}")
                yield _timed(kept.device, inference, kept.received_at)

    def devices(self) -> set[str]:
        return {device.name for device in self._store.devices()}

    def table(self, device: str, network: str) -> Table | None:
        desired = self._store.desired(device, network)
        return desired.signed.table if desired else None


class FileRecords:
    """A file of JSON lines as `GET /api/v1/inferences` answers them; a record that it holds twice counts once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._devices: set[str] = set()
        self.where = str(path)

    def inferences(self, question: Question) -> Iterator[Seen]:
        known = Identities()
        for where, line in self._lines():
            content = parse_object(line, what=where)
            seen = _seen(content, what=where)
            self._devices.add(seen.device)
            boot, sequence = field(content, "boot", str, what=where), field(content, "sequence", int, what=where)
            if seen.at_s in question.period and known.add((seen.device, boot), sequence):
                yield seen

    def devices(self) -> set[str]:
        return self._devices

    def table(self, device: str, network: str) -> Table | None:
        """None: a file holds records alone."""
        del device, network
        return None

    def _lines(self) -> Iterator[tuple[str, bytes]]:
        """Lines that are not empty, each with the file and its number."""
        try:
            with open_regular(self._path) as file:
                for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
                    if len(line) == _LONGEST_LINE:
                        raise InvalidInput(
                            f"{self._path}:{number} is too long for a record: is it a file of JSON lines?"
                        )
                    if line.strip():
                        yield f"{self._path}:{number}", line
        except OSError as error:
            raise InvalidInput(f"records {self._path} cannot be read: {error.strerror}") from error


class WithTables:
    """A source with tables from files, which go before its own."""

    def __init__(self, records: Records, tables: Sequence[Table]) -> None:
        self._records = records
        self._tables = {(table.device, table.network): table for table in tables}
        self.where = records.where

    def inferences(self, question: Question) -> Iterator[Seen]:
        return self._records.inferences(question)

    def devices(self) -> set[str]:
        return self._records.devices()

    def table(self, device: str, network: str) -> Table | None:
        return self._tables.get((device, network)) or self._records.table(device, network)


@contextlib.contextmanager
def opened(source: str) -> Iterator[Records]:
    """Records from a file, or from a database by its URL. ServiceMissing without the package that a database needs."""
    if source.startswith(("http://", "https://")):
        raise InvalidInput(f"--from {source:.100} is the address of a backend: give it as --backend")
    if "://" not in source:
        yield FileRecords(Path(source))
        return
    try:
        from cloud.store.sql import SqlStore
    except ModuleNotFoundError as error:
        raise ServiceMissing(
            f"--from a database needs the package '{error.name}', which is not installed: pip install '.[cloud]'"
        ) from error
    _check_is_there(source)
    with contextlib.closing(SqlStore(source)) as store:
        yield StoreRecords(store, where=_without_secrets(source))


def _check_is_there(url: str) -> None:
    """A report makes no new database: SQLite would, of a name that was mistyped."""
    scheme, _, path = url.partition("?")[0].partition(":///")
    if scheme.startswith("sqlite") and path and not Path(path).is_file():
        raise InvalidInput(f"database {path} does not exist: is the name right?")


def _without_secrets(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _received_since(period: Period) -> float:
    """What was in the period came in after it began: records wait in outboxes, but do not travel back in time."""
    return max(0.0, period.since_s - _CLOCKS_APART_S)


def _seen(line: Mapping[str, Any], *, what: str) -> Seen:
    inference = Inference.from_json(field(line, "inference", dict, what=what), what=what)
    return _timed(
        field(line, "device", str, what=what), inference, received_at=field(line, "received_at", float, what=what)
    )


def _timed(device: str, inference: Inference, received_at: float) -> Seen:
    return Seen(device, inference.at if inference.clock_synced else received_at, inference)
