"""Codes that a person types into a device, and the secrets that follow from them.

Whatever is stored or derived is keyed with the operator's token as well, so that whoever reads the database alone can try no codes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken

from protocol.errors import InvalidInput

_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Without those that look like another: I, L, O, U, 0 and 1."""
_LENGTH = 10
_MOST = 64


def new_code() -> str:
    """Ten characters with 49 bits of chance, in two groups."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return f"{letters[: _LENGTH // 2]}-{letters[_LENGTH // 2 :]}"


def normalized(code: str) -> str:
    """The code as it was issued, however it was typed; InvalidInput for what can be none."""
    letters = "".join(letter for letter in code[:_MOST].upper() if letter not in "- \t\n")
    if len(letters) != _LENGTH or not set(letters) <= set(_LETTERS):
        raise InvalidInput(
            f"a code has {_LENGTH} letters and digits, as in {_LETTERS[:5]}-{_LETTERS[5:10]}; type it again"
        )
    return letters


class CodeSecrets:
    """What follows from a code, for whoever holds the operator's token."""

    def __init__(self, operator_token: str) -> None:
        self._key = operator_token.encode()

    def digest(self, code: str) -> str:
        """What is stored in place of the code. Looking it up tells an observer of time nothing about the code."""
        return self._derived("code", code).hex()

    def broker_password(self, code: str) -> str:
        """The same at each try with a code: two tries at once cannot give the account two passwords."""
        return base64.urlsafe_b64encode(self._derived("broker", code)).decode().rstrip("=")

    def device_token(self, code: str, attempt: str) -> str:
        """The same for the same attempt with a code, so that one whose answer got lost can be answered again."""
        return base64.urlsafe_b64encode(self._derived(f"device {attempt}", code)).decode().rstrip("=")

    def seal(self, text: str, code: str) -> str:
        """A secret that only the code opens again."""
        return self._cipher(code).encrypt(text.encode()).decode()

    def open(self, sealed: str, code: str) -> str:
        """What was sealed with this code; InvalidInput when the operator's token has changed since."""
        try:
            return self._cipher(code).decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise InvalidInput("this code was issued under another operator token; have a new one issued") from error

    def _cipher(self, code: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._derived("seal", code)))

    def _derived(self, purpose: str, code: str) -> bytes:
        return hmac.new(
            self._key, f"dynasplit enrolment {purpose} {normalized(code)}".encode(), hashlib.sha256
        ).digest()
