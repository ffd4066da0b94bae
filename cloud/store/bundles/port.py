"""Which bundles there are: the port and its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from protocol.errors import NotFound


@dataclass(frozen=True)
class StoredBundle:
    """A bundle's place among those of its network: versions count from 1. Only loaded bundles serve tails."""

    digest: str
    network: str
    version: int
    loaded: bool


class BundleStore(Protocol):
    """The versions of the networks.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away.
    """

    def add_bundle(self, digest: str, *, network: str) -> StoredBundle:
        """Adds a bundle, loaded, under the network's next version; what is there already is returned as it is."""
        ...

    def bundles(self) -> list[StoredBundle]:
        """Bundles by network and version."""
        ...

    def set_loaded(self, digests: Sequence[str], *, loaded: bool) -> None:
        """Says which bundles serve."""
        ...

    def remove_bundle(self, digest: str) -> None:
        """Forgets a bundle; NotFound when it is not there. Its version may be given again when it was the newest."""
        ...


def bundle_unknown(digest: str) -> NotFound:
    return NotFound(f"bundle {digest:.12} is not here")
