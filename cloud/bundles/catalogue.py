"""Which bundles serve: networks, their versions, and what a request means by its names."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TypeVar

from cloud.remembered import Remembered
from cloud.store.bundles.port import StoredBundle
from cloud.store.port import Store
from cloud.waiting import about_to_wait
from protocol.errors import BundleMismatch, NotFound

Found = TypeVar("Found")

_FRESH_S = 1.0


class Catalogue:
    """The store's bundles, at most a second old. Thread-safe. `noticed` is told the digests that are loaded, whenever it asks."""

    def __init__(
        self,
        store: Store,
        *,
        noticed: Callable[[Collection[str]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._noticed = noticed
        self._bundles: Remembered[str, list[StoredBundle]] = Remembered(fresh_s=_FRESH_S, clock=clock)

    def all(self) -> list[StoredBundle]:
        """By network and version."""
        return self._bundles.get("all", self._looked) or []

    def of_network(self, network: str) -> list[StoredBundle]:
        """The network's bundles by version; NotFound when there is none."""
        return self._surely(lambda: _of_network(self.all(), network))

    def find(self, network: str, *, version: str = "", digest: str = "") -> StoredBundle:
        """The loaded bundle that is meant: by digest, by version, else the newest.

        NotFound for what is not here or not loaded, BundleMismatch for a digest of another network or version.
        """
        return self._surely(partial(self._found, network, version, digest))

    def forget(self) -> None:
        """Asks the store again from now on."""
        self._bundles.forget()

    def _looked(self) -> list[StoredBundle]:
        bundles = self._store.bundles()
        self._noticed({bundle.digest for bundle in bundles if bundle.loaded})
        return bundles

    def _found(self, network: str, version: str, digest: str) -> StoredBundle:
        if digest:
            return _loaded(_by_digest(self.all(), network, version, digest))
        return _loaded(_by_version(_of_network(self.all(), network), network, version))

    def _surely(self, look: Callable[[], Found]) -> Found:
        """What is looked for; before saying that it is not there the store is asked again."""
        try:
            return look()
        except NotFound:
            about_to_wait()
            self.forget()
            return look()


def _of_network(bundles: Sequence[StoredBundle], network: str) -> list[StoredBundle]:
    found = [bundle for bundle in bundles if bundle.network == network]
    if not found:
        known = ", ".join(sorted({bundle.network for bundle in bundles})) or "none"
        raise NotFound(f"network {network!r:.80} is not here; known: {known}")
    return found


def _by_digest(bundles: Sequence[StoredBundle], network: str, version: str, digest: str) -> StoredBundle:
    found = [bundle for bundle in bundles if bundle.digest == digest]
    if not found:
        _of_network(bundles, network)
        raise NotFound(f"bundle {digest:.12} of {network} is not here; upload it first")
    bundle = found[0]
    if bundle.network != network or version not in ("", str(bundle.version)):
        raise BundleMismatch(
            f"bundle {digest:.12} is {bundle.network} version {bundle.version}, not {f'{network} {version}'.strip()}"
        )
    return bundle


def _by_version(bundles: Sequence[StoredBundle], network: str, version: str) -> StoredBundle:
    """The version that is asked for, else the newest loaded one, else the newest."""
    if not version:
        return max(bundles, key=lambda bundle: (bundle.loaded, bundle.version))
    for bundle in bundles:
        if str(bundle.version) == version:
            return bundle
    known = ", ".join(str(bundle.version) for bundle in bundles)
    raise NotFound(f"{network} has no version {version!r:.20}; it has {known}")


def _loaded(bundle: StoredBundle) -> StoredBundle:
    if not bundle.loaded:
        where = f"/v2/repository/models/{bundle.network}/load"
        raise NotFound(f"{bundle.network} version {bundle.version} is unloaded; load it with POST {where}")
    return bundle
