"""Issuing codes, and giving a device all that it needs for one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from cloud.access.brake import site_of
from cloud.access.guard import new_token, token_sha256
from cloud.broker.accounts import BrokerAccounts
from cloud.enrolment.codes import CodeSecrets, new_code
from cloud.settings import AccountKeeper, BackendSettings
from cloud.store.devices.port import device_exists
from cloud.store.enrolments.port import Enrolment, code_unknown, code_used
from cloud.store.port import Store
from protocol.enrolment import Enrolled
from protocol.errors import Conflict, InvalidInput, Overloaded

logger = logging.getLogger(__name__)

_CODE = "code"
_WRONG_TRIES = 10
_WINDOW_S = 600.0
_REMEMBERED_S = 30 * 86_400.0
_ANSWERED_AGAIN_S = 900.0
_ATTEMPT_LENGTH = (16, 128)
_TTL_S = (1.0, 7 * 86_400.0)


@dataclass(frozen=True)
class Issued:
    """A code for a device, good until `expires_at` (seconds since the epoch)."""

    device: str
    code: str
    expires_at: float


class Enrolling:
    """Decides on codes. Thread-safe; several processes may share a store.

    Ten wrong codes of a peer within ten minutes, and it is refused until they have passed. A code is used up in the same
    transaction that registers the device, last of all; what was made before that is made the same way by the next try. Who
    named its attempt by a word of its own and lost the answer is answered again, the same, for a quarter of an hour: the
    code alone does not do.
    """

    def __init__(
        self,
        settings: BackendSettings,
        store: Store,
        accounts: BrokerAccounts,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._accounts = accounts
        self._secrets = CodeSecrets(settings.operator_token)
        self._clock = clock

    def issue(self, device: str, *, ttl_s: float, broker_password: str = "", replace: bool = False) -> Issued:
        """A new code, in place of one for the device that nobody has used. Conflict when enrolment is not set up, or the device
        is registered and shall not be replaced."""
        self._check_settings(broker_password)
        if not _TTL_S[0] <= ttl_s <= _TTL_S[1]:
            raise InvalidInput(f"enrolment: 'ttl_s' must lie between {_TTL_S[0]:g} s and a week, not {ttl_s:g}")
        known = self._store.device(device)
        if not replace and known and known.registered:
            raise device_exists(device)
        code, now = new_code(), self._clock()
        sealed = self._secrets.seal(broker_password, code) if broker_password else ""
        enrolment = Enrolment(self._secrets.digest(code), device, replace, sealed, now + ttl_s)
        self._store.add_enrolment(enrolment, forget_before=now - _REMEMBERED_S)
        return Issued(device, code, enrolment.expires_at)

    def enrol(self, code: str, *, peer: str, attempt: str = "") -> Enrolled:
        """All that the code's device needs. `attempt`: 16 characters or more that nobody else knows, "" for one that cannot
        be answered again; InvalidInput for others. NotFound for a wrong code, Conflict for one that has expired or was used,
        Overloaded for a peer that tried too many wrong ones, ServiceMissing while the broker or the store is away."""
        if attempt and not _ATTEMPT_LENGTH[0] <= len(attempt) <= _ATTEMPT_LENGTH[1]:
            raise InvalidInput(
                f"enrolment: 'attempt' must have {_ATTEMPT_LENGTH[0]} to {_ATTEMPT_LENGTH[1]} characters"
            )
        enrolment = self._enrolment(code, peer)
        token = self._secrets.device_token(code, attempt) if attempt else new_token()
        again = self._check_usable(enrolment, token)
        password = self._password(enrolment, code)
        user = self._accounts.add(enrolment.device, password)
        if not again:
            self._store.use_enrolment(enrolment.code_digest, token_sha256=token_sha256(token), at=self._clock())
        logger.info("device %s has enrolled from %s", enrolment.device, peer)
        return Enrolled(
            device=enrolment.device,
            device_token=token,
            broker_url=self._settings.device_broker_url,
            broker_user=user,
            broker_password=password,
            operator_public_key=self._settings.operator_public_key,
            ca=_pem(self._settings),
        )

    def _enrolment(self, code: str, peer: str) -> Enrolment:
        """What a code stands for."""
        now = self._clock()
        if self._store.wrong_tries(_CODE, site_of(peer), since=now - _WINDOW_S) >= _WRONG_TRIES:
            raise Overloaded(
                f"too many wrong codes from {peer}; try again in {_WINDOW_S / 60:g} minutes", retry_after_s=_WINDOW_S
            )
        enrolment = self._store.enrolment(self._secrets.digest(code))
        if enrolment is None:
            self._store.note_wrong_try(_CODE, site_of(peer), at=now, window_s=_WINDOW_S)
            raise code_unknown()
        return enrolment

    def _check_usable(self, enrolment: Enrolment, token: str) -> bool:
        """Whether it was this attempt that used the code up. Conflict when another did, or the code has expired."""
        now, used_at = self._clock(), enrolment.used_at
        if used_at is None and now > enrolment.expires_at:
            raise Conflict("this code has expired; have a new one issued")
        if used_at is None:
            return False
        ours = self._store.device_with_token(token_sha256(token)) == enrolment.device
        if not ours or now > used_at + _ANSWERED_AGAIN_S:
            raise code_used(enrolment.device)
        return True

    def _password(self, enrolment: Enrolment, code: str) -> str:
        if enrolment.sealed_password:
            return self._secrets.open(enrolment.sealed_password, code)
        return self._secrets.broker_password(code)

    def _check_settings(self, broker_password: str) -> None:
        for name in ("device_broker_url", "operator_public_key"):
            if not getattr(self._settings, name):
                raise Conflict(f"devices cannot enrol yet: the backend's setting '{name}' is missing")
        made_here = self._settings.broker_accounts != AccountKeeper.NONE
        if made_here and broker_password:
            raise InvalidInput("enrolment: the backend makes the broker account; leave 'broker_password' out")
        if not made_here and not broker_password:
            raise InvalidInput(
                "enrolment: the backend makes no broker accounts (setting 'broker_accounts'): make one whose user is the "
                "device's name, and give its password as 'broker_password'"
            )


def _pem(settings: BackendSettings) -> str:
    if settings.device_ca is None:
        return ""
    try:
        return settings.device_ca.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Conflict(f"setting 'device_ca': {settings.device_ca} cannot be read: {error}") from error
