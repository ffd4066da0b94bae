"""Dead letters as the cloud keeps them: what came in and could not be read, with the reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from protocol import topics

MOST_PAYLOAD = 10_000
"""Characters of a payload that are kept."""
_MOST_TOPIC = 500


@dataclass(frozen=True)
class DeadLetter:
    """A message, or a record of one, that could not be read. A repeat has the same `digest`.

    `received_at` is wall time of ingest in seconds since the epoch. `payload` is its beginning, as text. `boot` and `sequence`
    ("" and None for a whole message) are those of a record, which was acknowledged; whole messages are not.
    """

    digest: str
    received_at: float
    topic: str
    device: str
    payload: str
    reason: str
    boot: str = ""
    sequence: int | None = None

    @property
    def position(self) -> tuple[float, str]:
        """Its place among the others."""
        return (self.received_at, self.digest)

    def to_json(self) -> dict[str, Any]:
        names = ("received_at", "topic", "device", "boot", "sequence", "reason", "payload")
        return {name: getattr(self, name) for name in names}


def letter_of_message(topic: str, payload: bytes, *, device: str, reason: str, received_at: float) -> DeadLetter:
    """Of a message that is none of ours as a whole."""
    digest = hashlib.sha256(topic.encode("utf-8", "backslashreplace") + b"\n" + payload).hexdigest()
    beginning = payload[:MOST_PAYLOAD].decode("utf-8", "backslashreplace")
    return DeadLetter(
        digest, received_at, plain(topic)[:_MOST_TOPIC], device, plain(beginning)[:MOST_PAYLOAD], plain(reason)
    )


def letter_of_record(
    identity: tuple[str, str, int], body: Mapping[str, Any], *, reason: str, received_at: float
) -> DeadLetter:
    """Of a record in a batch that is otherwise in order. Its digest is that of the identity."""
    device, boot, sequence = identity
    digest = hashlib.sha256(f"{device}\n{boot}\n{sequence}".encode()).hexdigest()
    payload = json.dumps(body)[:MOST_PAYLOAD]
    return DeadLetter(digest, received_at, topics.telemetry(device), device, payload, plain(reason), boot, sequence)


def plain(text: str) -> str:
    """What every database can hold: no half surrogate pairs, no NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", r"\0")


class DeadLetterStore(Protocol):
    """Messages and records that could not be read.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away.
    """

    def put_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Keeps them, all or none. One whose digest is known changes nothing."""
        ...

    def dead_letters(
        self, *, device: str | None = None, before: tuple[float, str] | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """Latest first, at most `limit`; those of a device; the next page is `before` the last one's `position`."""
        ...

    def count_dead_letters(self) -> int:
        """How many there are."""
        ...

    def trim_dead_letters(self, *, most: int) -> int:
        """Lets the oldest go until at most so many are left; how many went."""
        ...
