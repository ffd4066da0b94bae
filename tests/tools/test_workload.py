from __future__ import annotations

import numpy as np
import pytest

from models.accuracy.samples import Samples
from protocol.errors import InvalidInput
from tools.workload import PUBLISHED_REQUESTS, draw_deadlines


def test_deadlines_span_from_the_fastest_to_about_the_slowest_configuration():
    tails = [
        draw_deadlines(PUBLISHED_REQUESTS, fastest_ms=90.0, slowest_ms=5000.0, seed=seed).max() for seed in range(20)
    ]
    deadlines = draw_deadlines(PUBLISHED_REQUESTS, fastest_ms=90.0, slowest_ms=5000.0, seed=1)
    assert deadlines.min() >= 90.0
    assert 4000 < np.median(tails) < 7000


def test_deadlines_are_the_same_for_the_same_seed_and_differ_for_another():
    draw = [draw_deadlines(5, fastest_ms=1.0, slowest_ms=2.0, seed=seed).tolist() for seed in (3, 3, 4)]
    assert draw[0] == draw[1] != draw[2]


@pytest.mark.parametrize(("fastest_ms", "slowest_ms"), [(0.0, 5.0), (5.0, 5.0), (6.0, 5.0), (-1.0, 5.0)])
def test_a_range_that_is_none_is_refused(fastest_ms, slowest_ms):
    with pytest.raises(InvalidInput):
        draw_deadlines(5, fastest_ms=fastest_ms, slowest_ms=slowest_ms, seed=1)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"images": np.zeros((2, 4), np.float32)},
        {"images": np.zeros((2, 4), np.uint8), "labels": np.zeros(3, np.int64)},
        {"images": np.zeros((2, 4), np.uint8), "labels": np.zeros(2, np.float32)},
        {"images": np.zeros((0, 4), np.uint8)},
        {"images": np.array([{}], dtype=object)},
    ],
)
def test_samples_that_are_none_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "samples.npz"
    np.savez(path, **content)
    with pytest.raises(InvalidInput, match=r"samples\.npz"):
        Samples.read(path)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "samples.npz"
    for text in (b"", b"nothing of the kind", b"PK\x03\x04broken"):
        path.write_bytes(text)
        with pytest.raises(InvalidInput, match=r"samples\.npz"):
            Samples.read(path)
    with pytest.raises(InvalidInput, match="No such file"):
        Samples.read(tmp_path / "nowhere.npz")
