"""The text of JSON columns."""

from __future__ import annotations

import json

import pytest

from cloud.database.json_text import json_text


@pytest.mark.parametrize(
    "value",
    [
        {"edge_ms": 4.512, "at": 1_760_000_000.25, "run": "", "none": None, "yes": True, "parts": [1, -2.5e-300]},
        {"names": "Zürich 東京 \U0001f600", "quoted": 'a "b" \\ \n \t \x1f'},
        {"large": 2**63 - 1, "larger": 2**64, "largest": 10**1000, "negative": -(2**63) - 1},
        {},
    ],
)
def test_what_is_written_is_read_back_as_it_was(value):
    assert json.loads(json_text(value)) == value
