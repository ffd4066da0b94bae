"""The words of presence."""

import pytest

from protocol.errors import InvalidInput
from protocol.presence import Availability


@pytest.mark.parametrize("word", list(Availability))
def test_a_word_is_its_own_payload(word):
    assert word.to_bytes() == word.value.encode()
    assert Availability.from_bytes(word.to_bytes()) is word


@pytest.mark.parametrize("payload", [b"", b"Online", b'"online"', b"\xff\xfe", "ö".encode()])
def test_another_word_is_refused_with_what_there_is(payload):
    with pytest.raises(InvalidInput, match="online, offline, stopped"):
        Availability.from_bytes(payload)
