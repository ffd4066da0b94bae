"""The errors that users meet. A message says what was wrong, with the value, and what to do.

Every leaf tells how it surfaces: `http_status` where it leaves through HTTP, `exit_code` where it ends a command
(0 good, 1 a check failed, 2 bad input or refused, 3 proven infeasible, 4 a service is missing).
"""

from __future__ import annotations

from typing import ClassVar


class DynaSplitError(Exception):
    """The root of all errors that the project raises on purpose."""

    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class InvalidInput(DynaSplitError, ValueError):
    """What came in cannot be used: wrong type, shape, range or syntax."""

    http_status = 400
    exit_code = 2


class NotFound(DynaSplitError, LookupError):
    """A network, bundle, device, cut point or other named thing does not exist here."""

    http_status = 404
    exit_code = 2


class Conflict(DynaSplitError, ValueError):
    """It is well formed, but contradicts what is already here: an older version, another digest."""

    http_status = 409
    exit_code = 2


class ProvenInfeasible(DynaSplitError, ValueError):
    """What is asked for cannot exist, and that is proven; the message names the constraint."""

    http_status = 409
    exit_code = 3


class BundleBroken(InvalidInput):
    """A bundle's files are missing, damaged or do not match their digests."""


class BundleMismatch(Conflict):
    """A table, request or artifact was made for another bundle than the one at hand."""


class NotAuthenticated(DynaSplitError, PermissionError):
    """No token, or one that nobody issued."""

    http_status = 401
    exit_code = 2


class NotAllowed(DynaSplitError, PermissionError):
    """The token is good, but not for this."""

    http_status = 403
    exit_code = 2


class TooLarge(InvalidInput):
    """A body, or what it would unpack to, exceeds the limit."""

    http_status = 413


class SignatureInvalid(DynaSplitError, ValueError):
    """A signed document was changed, or signed by a key that is not trusted here."""

    http_status = 400
    exit_code = 2


class ServiceMissing(DynaSplitError, ConnectionError):
    """A broker, backend, agent or database cannot be reached."""

    http_status = 503
    exit_code = 4


class AcceleratorFailed(DynaSplitError, ConnectionError):
    """A device's accelerator cannot be used now: it is away, hangs, or its library is missing or wrong. The CPU still can."""

    http_status = 503
    exit_code = 4


class TryLater(DynaSplitError):
    """It cannot be done now. `retry_after_s`: when it may be, where that is known."""

    def __init__(self, message: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Overloaded(TryLater, RuntimeError):
    """More requests wait than may; try again later."""

    http_status = 429
    exit_code = 4


class Busy(TryLater, RuntimeError):
    """This process has as much to do as it may take on; another one may have room."""

    http_status = 503
    exit_code = 4


class DeadlineHopeless(TryLater, TimeoutError):
    """No configuration can answer in time and the caller asked to be told rather than served late."""

    http_status = 503
    exit_code = 1
