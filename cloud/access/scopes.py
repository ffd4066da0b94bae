"""What a token is good for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from protocol.configuration import choose


class Scope(StrEnum):
    """A right that a token carries.

    `infer`: run networks, look at them and fetch their bundles, as devices do. `read`: look at everything else. `write`:
    change what runs: bundles, tables, jobs; it includes `read`. `admin`: let others in and out: tokens, devices,
    enrolment codes, the audit; it includes all.
    """

    INFER = "infer"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_INCLUDED = {
    Scope.INFER: frozenset({Scope.INFER}),
    Scope.READ: frozenset({Scope.READ}),
    Scope.WRITE: frozenset({Scope.WRITE, Scope.READ}),
    Scope.ADMIN: frozenset(Scope),
}


def granted(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """These scopes with all that they include."""
    return frozenset[Scope]().union(*(_INCLUDED[scope] for scope in scopes))


def scope_named(name: str) -> Scope:
    """InvalidInput with all names for one that is none."""
    return choose(Scope, name, what="scope")
