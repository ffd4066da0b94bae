"""Enrolments as the cloud keeps them: the port, its value and its refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocol.errors import Conflict, NotFound


@dataclass(frozen=True)
class Enrolment:
    """A code that was issued, known by its digest alone. Times are wall time in seconds since the epoch.

    `replace`: the device may be registered already, and its old token is void once the code is used. `sealed_password`: the
    broker password that the operator gave, which only the code opens; "" where the cloud makes the account.
    """

    code_digest: str
    device: str
    replace: bool
    sealed_password: str
    expires_at: float
    used_at: float | None = None


class EnrolmentStore(Protocol):
    """Codes. As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away."""

    def add_enrolment(self, enrolment: Enrolment, *, forget_before: float) -> None:
        """Keeps a code: the only one of its device that can still be used. Lets those go that expired before that time."""
        ...

    def enrolment(self, code_digest: str) -> Enrolment | None: ...

    def use_enrolment(self, code_digest: str, *, token_sha256: str, at: float) -> None:
        """Uses the code up and registers its device with this token: both or neither.

        NotFound when there is no such code (any more). Conflict when the code was used meanwhile, or the device is registered
        and may not be replaced.
        """
        ...


def code_unknown() -> NotFound:
    return NotFound("nobody issued this code, or it was taken back; is it typed right? Else have a new one issued")


def code_used(device: str) -> Conflict:
    return Conflict(f"this code was used already, for '{device}'; have a new one issued")
