"""The text of JSON columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from cloud.database.json_text import json_text
from protocol.link import Link


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


@pytest.mark.parametrize("value", [{"at": datetime(2026, 1, 1, tzinfo=UTC)}, {"rate": Link(1.0, 2.0, 3.0)}, {1, 2}])
def test_what_is_no_json_value_is_refused(value):
    with pytest.raises(TypeError, match="serializable"):
        json_text(value)
