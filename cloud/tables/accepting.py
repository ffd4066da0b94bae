"""Which signed tables the cloud takes: what it makes the desired table of a device takes the place of one that works."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloud.store.port import Store
from protocol.errors import BundleMismatch, Conflict, InvalidInput, SignatureInvalid
from protocol.signing import SignedTable, verify
from protocol.table import Table

_FARTHEST = 2**42
"""Milliseconds since the epoch fit. Versions only grow and fit 64 bits: one push must not use them up for a device."""


def check_acceptable(store: Store, tables: Sequence[SignedTable], *, public_key: str) -> None:
    """InvalidInput for a version that cannot be, or too far from the device's last; SignatureInvalid unless signed by the
    operator's key, where it is known here. Otherwise as `check_bundles`."""
    for each in tables:
        _check_version(store, each.table)
        if public_key:
            _check_signature(each, public_key)
    check_bundles(store, (each.table for each in tables))


def check_bundles(store: Store, tables: Iterable[Table]) -> None:
    """Conflict for a bundle that is not here, where devices fetch it and its tails run; BundleMismatch for another network's."""
    networks = {bundle.digest: bundle.network for bundle in store.bundles()}
    for table in tables:
        found = networks.get(table.bundle)
        if found is None:
            raise Conflict(
                f"the table for {table.network:.64} on {table.device:.64} needs bundle {table.bundle:.12}, which is not here: "
                "upload it first, as dynasplit job profile does"
            )
        if found != table.network:
            raise BundleMismatch(
                f"the table for {table.network:.64} on {table.device:.64} names bundle {table.bundle:.12}, which is of {found}"
            )


def _check_version(store: Store, table: Table) -> None:
    if table.version < 1:
        raise InvalidInput(f"a signed table needs a version of 1 or more, not {table.version}")
    if table.version <= _FARTHEST:
        return
    last = store.last_versions(table.network).get(table.device, 0)
    if table.version - last > _FARTHEST:
        raise InvalidInput(
            f"version {table.version} for {table.network:.64} on {table.device:.64} is too far from {last}, which it has now; "
            f"sign it again under version {last + 1}"
        )


def _check_signature(signed: SignedTable, public_key: str) -> None:
    try:
        verify(signed, public_key)
    except SignatureInvalid as error:
        raise SignatureInvalid(
            f"table {signed.table.digest:.12} for {signed.table.device:.64} was not signed by the operator's key that this "
            "backend knows (setting 'operator_public_key')"
        ) from error
