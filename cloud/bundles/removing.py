"""Removing a bundle that nothing uses."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.bundles.files import BundleFiles
from cloud.store.port import Store
from protocol.errors import Conflict, NotFound

_NAMED = 5


def remove_bundle(store: Store, files: BundleFiles, digest: str) -> None:
    """Forgets a bundle and deletes its files.

    Conflict, with names, while a device shall use it, says that it uses it, or a rollout is to bring a device to use it.
    NotFound when it is not here.
    """
    known = next((bundle for bundle in store.bundles() if bundle.digest == digest), None)
    if known and (users := sorted(set(_users(store, known.network, digest)))):
        more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
        raise Conflict(
            f"bundle {digest:.12} is used by {', '.join(users[:_NAMED])}{more}; push other tables there first"
        )
    store.remove_bundle(digest)
    files.remove(digest)


def _users(store: Store, network: str, digest: str) -> Iterator[str]:
    for device, desired in store.desired_versions(network).items():
        if desired.version.bundle == digest:
            yield f"device {device}"
    for device, received in store.reports(network).items():
        if _bundle_of(store, received.report.digest) == digest:
            yield f"device {device}"
    for rollout in store.unfinished_rollouts():
        if rollout.network == network and any(_bundle_of(store, each.digest) == digest for each in rollout.members):
            yield f"rollout {rollout.id}"


def _bundle_of(store: Store, table_digest: str) -> str:
    try:
        return store.signed(table_digest).table.bundle
    except NotFound:
        return ""
