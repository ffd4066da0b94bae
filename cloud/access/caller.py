"""Who calls, and what that caller may do."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.access.scopes import Scope, granted
from protocol.errors import NotAllowed


@dataclass(frozen=True)
class Caller:
    """The device whose token it is, or whoever shows a token of this name. `scopes`: all that it may do."""

    name: str
    device: str | None
    scopes: frozenset[Scope]

    @classmethod
    def of_device(cls, device: str) -> Caller:
        """A device may infer and fetch; beyond that only what an endpoint leaves to the device itself."""
        return cls(f"device {device}", device, granted([Scope.INFER]))

    @classmethod
    def of_token(cls, name: str, scopes: frozenset[Scope]) -> Caller:
        """`scopes` as the token was made with."""
        return cls(name, None, granted(scopes))

    def must_have(self, *any_of: Scope) -> None:
        """NotAllowed for one that has none of these scopes."""
        if self.scopes.isdisjoint(any_of):
            wanted = " or ".join(any_of)
            if self.device is not None:
                raise NotAllowed(f"the token of device '{self.device}' may not do this; it takes one of scope {wanted}")
            had = ", ".join(scope for scope in Scope if scope in self.scopes)
            raise NotAllowed(f"token '{self.name}' may not do this: it takes scope {wanted}, and it has {had}")

    def must_be(self, device: str, *, or_have: Scope) -> None:
        """NotAllowed for another device than this; whoever has the scope may as well."""
        if self.device is not None and self.device != device:
            raise NotAllowed(f"the token of device '{self.device}' may not touch what belongs to '{device}'")
        if self.device is None:
            self.must_have(or_have)
