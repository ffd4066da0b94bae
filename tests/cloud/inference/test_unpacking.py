"""Requests that unpack to much: few at once."""

from __future__ import annotations

import numpy as np
import pytest

from cloud.inference.unpacking import Unpacking
from protocol.errors import Busy, TooLarge
from protocol.inference import Message, pack_request
from protocol.tensors import Tensor

LIMIT_BYTES = 100_000


@pytest.fixture
def unpacking() -> Unpacking:
    return Unpacking(small_bytes=1000, most_large=1)


def packed(count: int, *, compress: bool = True):
    wire = pack_request(Message((Tensor("b0", np.zeros((1, count), np.float32)),)), compress=compress)
    return dict(wire.headers), wire.body


def test_a_large_one_holds_a_place_until_it_is_done(unpacking):
    headers, body = packed(10_000)
    with unpacking.request(headers, body, limit_bytes=LIMIT_BYTES) as message:
        with (
            pytest.raises(Busy, match="more than 1000 bytes"),
            unpacking.request(headers, body, limit_bytes=LIMIT_BYTES),
        ):
            pass
        assert message.tensors[0].array.shape == (1, 10_000)

    with unpacking.request(headers, body, limit_bytes=LIMIT_BYTES):
        pass


@pytest.mark.parametrize(("count", "compress"), [(10, True), (10_000, False)], ids=["small", "as it came"])
def test_others_need_no_place(unpacking, count, compress):
    headers, body = packed(count, compress=compress)
    large = packed(10_000)
    with (
        unpacking.request(*large, limit_bytes=LIMIT_BYTES),
        unpacking.request(headers, body, limit_bytes=LIMIT_BYTES) as message,
    ):
        assert message.tensors[0].array.shape == (1, count)


def test_a_place_that_was_taken_for_a_bomb_is_free_again(unpacking):
    bomb, large = packed(1_000_000), packed(10_000)
    with pytest.raises(TooLarge), unpacking.request(*bomb, limit_bytes=LIMIT_BYTES):
        pass

    with unpacking.request(*large, limit_bytes=LIMIT_BYTES) as message:
        assert len(message.tensors) == 1
