"""Which bundles there are in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from cloud.store.bundles.port import StoredBundle, bundle_unknown


class MemoryBundles:
    """A `BundleStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._bundles_lock = threading.Lock()
        self._bundles: dict[str, StoredBundle] = {}

    def add_bundle(self, digest: str, *, network: str) -> StoredBundle:
        with self._bundles_lock:
            versions = [bundle.version for bundle in self._bundles.values() if bundle.network == network]
            version = 1 + max(versions, default=0)
            return self._bundles.setdefault(digest, StoredBundle(digest, network, version, loaded=True))

    def bundles(self) -> list[StoredBundle]:
        with self._bundles_lock:
            return sorted(self._bundles.values(), key=lambda bundle: (bundle.network, bundle.version))

    def set_loaded(self, digests: Sequence[str], *, loaded: bool) -> None:
        with self._bundles_lock:
            for digest in set(digests) & set(self._bundles):
                self._bundles[digest] = replace(self._bundles[digest], loaded=loaded)

    def remove_bundle(self, digest: str) -> None:
        with self._bundles_lock:
            if self._bundles.pop(digest, None) is None:
                raise bundle_unknown(digest)
