"""More runners than stay open: who asks for one opens it before its head, never within it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from edge.runners.port import RunnerKey, RunnersHere
from edge.runners.process import RunnerProcess


@pytest.fixture
def noting(tmp_path, monkeypatch):
    """An opener that keeps what is opened and closed, in a child too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("faulty_runners").NotingOpener(tmp_path / "note")


@pytest.mark.parametrize("kind", [RunnersHere, pytest.param(RunnerProcess, marks=pytest.mark.system)])
def test_what_gave_way_is_opened_again_by_open_and_not_by_the_head(kind, noting, digits, image):
    runners, keys = kind(opener=noting, kept=2), [RunnerKey(digits.folder, threads) for threads in (1, 2, 3)]
    try:
        for key in keys:
            runners.open(key)
        assert done(noting) == ["opened", "opened", "closed", "opened"]

        runners.open(keys[0])
        assert done(noting)[4:] == ["closed", "opened"]
        runners.head(keys[0], 4, [image])
        assert len(done(noting)) == 6
    finally:
        runners.close()


def done(noting) -> list[str]:
    return [line.split()[0] for line in noting.note.read_text().splitlines()]
