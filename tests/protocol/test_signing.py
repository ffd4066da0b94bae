from __future__ import annotations

import pytest

from protocol.configuration import Configuration
from protocol.errors import InvalidInput, SignatureInvalid
from protocol.link import REFERENCE_LINK
from protocol.signing import SignedTable, generate_private_key, public_key_of, sign, verify
from protocol.table import Row, Table

KEY = generate_private_key()


@pytest.fixture
def table() -> Table:
    figures = {"head_ms": 1.0, "head_mj": 1.0, "wait_w": 1.0, "up_bytes": 0, "down_bytes": 0, "cloud_ms": 0.0}
    row = Row(Configuration(1, 600_000), **figures, cloud_node_mj=0.0, cloud_active_mj=0.0, accuracy=None)
    return Table("digits", "0" * 64, "pi-1", REFERENCE_LINK, (row,), version=1)


def test_what_was_signed_is_verified_by_the_public_half_alone(table):
    signed = SignedTable.from_json(sign(table, KEY).to_json())
    verify(signed, public_key_of(KEY))
    with pytest.raises(SignatureInvalid):
        verify(signed, public_key_of(generate_private_key()))


@pytest.mark.parametrize("signature", ["", "?", "ä", "AAAA"])
def test_a_signature_that_is_none_is_invalid(table, signature):
    with pytest.raises(SignatureInvalid):
        verify(SignedTable(table, signature), public_key_of(KEY))


@pytest.mark.parametrize("key", ["", "ä", "AAAA"])
def test_a_key_that_is_none_is_told_so_and_not_taken_for_a_bad_signature(table, key):
    with pytest.raises(InvalidInput, match="public key"):
        verify(sign(table, KEY), key)
