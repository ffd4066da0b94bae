"""`dynasplit bench planner`: what it is given, what it says; its figures stand in the docs, not in tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.benches.planner import bench, replaying
from tools.cli import main


def test_without_the_published_data_it_says_where_to_get_it(capsys, monkeypatch):
    monkeypatch.delenv("DYNASPLIT_REFERENCE", raising=False)

    assert main(["bench", "planner"]) == 2

    assert "github.com/hpc-tuwien/SPLINTER" in capsys.readouterr().err


def test_a_folder_without_the_data_is_refused_before_any_work(tmp_path, capsys):
    assert main(["bench", "planner", "--reference", str(tmp_path)]) == 2

    assert f"{tmp_path} holds no folder 'dynasplit'" in capsys.readouterr().err


@pytest.mark.reference
@pytest.mark.system
def test_every_figure_stands_beside_its_target(reference: Path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "_QUICK_SEEDS", 1)
    monkeypatch.setattr(replaying, "SMALL_SEEDS", 3)
    monkeypatch.setattr(replaying, "_LONG", 20_000)
    facts_file = tmp_path / "facts.json"

    code = main(["bench", "planner", "--quick", "--reference", str(reference), "--json", str(facts_file)])

    facts = json.loads(facts_file.read_text())
    assert code == (0 if facts["met"] else 1)
    assert {"composition", "searching", "replaying"} <= facts.keys()
    assert len(facts["targets"]) >= 20
    assert "target" in capsys.readouterr().err


@pytest.mark.reference
@pytest.mark.system
def test_learned_from_a_tenth_of_the_space_it_is_less_often_late_than_published_and_saves_half(reference: Path):
    published = replaying._Published.read(reference, "vgg16")

    run = replaying._against_cloud_only(published, "recorded", published.learned(0.1, 101), 101)

    assert run["violations"] < 513 / 2
    assert run["saved"] > 0.45
