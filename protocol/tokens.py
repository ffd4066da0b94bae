"""Bearer tokens as they may stand in a header."""

from __future__ import annotations

from protocol.errors import InvalidInput


def check_token(token: str, *, what: str) -> None:
    """InvalidInput for one that is empty or cannot be sent in an Authorization header: printable ASCII without spaces can
    (RFC 9110, section 5.5). The message does not tell it."""
    if not token.strip():
        raise InvalidInput(f"{what} is empty; it must be a token, as openssl rand -hex 32 makes one")
    for place, character in enumerate(token, start=1):
        if not "!" <= character <= "~":
            raise InvalidInput(
                f"{what} holds {character!a} as character {place}, which cannot be sent; copy the token again"
            )
