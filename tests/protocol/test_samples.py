"""Samples that come from outside."""

from __future__ import annotations

import pytest

from protocol.configuration import Provenance
from protocol.errors import InvalidInput
from protocol.samples import Sample

SOUND = Sample(1_700_000_000.0, True, 60.0, 3.0, 5.0, 180_000.0, Provenance.MEASURED, 1_500_000, 51.5, False)


def test_what_was_sent_is_what_is_read():
    assert Sample.from_json(SOUND.to_json()) == SOUND


@pytest.mark.parametrize(
    ("name", "value"),
    [("seconds", 1e308), ("seconds", -1.0), ("mean_w", -2.0), ("energy_mj", 1e300), ("cpu_khz", -1), ("at", 1e12)],
)
def test_a_figure_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(InvalidInput, match=f"'{name}' must lie between"):
        Sample.from_json({**SOUND.to_json(), name: value})
