"""Slows down who guesses."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from functools import lru_cache

from cloud.remembered import Remembered
from cloud.store.tries.port import TryStore
from protocol.errors import Overloaded, ServiceMissing

logger = logging.getLogger(__name__)

_TOKEN = "token"  # noqa: S105 - what is counted, not one
_WRONG_TRIES = 10
_WINDOW_S = 60.0
_FRESH_S = 1.0
_FIRST_PATIENCE_S = 0.2
"""An operator, whom no store needs to know, waits for the count."""
_V6_SITE_BITS = 64


class Brake:
    """Refuses a peer that showed ten wrong tokens within a minute, until the minute has passed. Thread-safe.

    Counted in the store, so for all worker processes together; each knows of the others' tries a second later, at most.
    While the store is away nothing is counted: then no token but the operator's can be checked anyway.
    """

    def __init__(self, store: TryStore, *, clock: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall = wall
        self._counts: Remembered[str, int] = Remembered(
            fresh_s=_FRESH_S, clock=clock, first_patience_s=_FIRST_PATIENCE_S
        )

    def check(self, peer: str) -> None:
        """Overloaded for a peer that showed too many wrong tokens."""
        site = site_of(peer)
        if self._wrong(site) >= _WRONG_TRIES:
            raise Overloaded(f"too many wrong tokens from {peer}; try again in a minute", retry_after_s=_WINDOW_S)

    def note_wrong(self, peer: str) -> None:
        """Counts a wrong token."""
        try:
            self._store.note_wrong_try(_TOKEN, site_of(peer), at=self._wall(), window_s=_WINDOW_S)
        except ServiceMissing as error:
            logger.warning("a wrong token of %s was not counted: %s", peer, error)
        self._counts.forget()

    def _wrong(self, site: str) -> int:
        try:
            return (
                self._counts.get(site, lambda: self._store.wrong_tries(_TOKEN, site, since=self._wall() - _WINDOW_S))
                or 0
            )
        except ServiceMissing:
            return 0


@lru_cache(maxsize=4096)
def site_of(peer: str) -> str:
    """Whom a count is for: the address; of IPv6 its /64, of which one host has all addresses (RFC 6177)."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer[:64] or "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _V6_SITE_BITS), strict=False))
