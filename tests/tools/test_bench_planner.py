"""`dynasplit bench planner`: what it is given, what it says; its figures stand in the docs, not in tests."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from protocol.errors import InvalidInput
from tools.benches.figures import Target, spread
from tools.benches.planner import bench, composition, replaying, searching, summary
from tools.cli import main


def test_without_the_published_data_it_says_where_to_get_it(capsys, monkeypatch):
    monkeypatch.delenv("DYNASPLIT_REFERENCE", raising=False)

    assert main(["bench", "planner"]) == 2

    assert "github.com/hpc-tuwien/SPLINTER" in capsys.readouterr().err


def test_a_folder_without_the_data_is_refused_before_any_work(tmp_path, capsys):
    assert main(["bench", "planner", "--reference", str(tmp_path)]) == 2

    assert f"{tmp_path} holds no folder 'dynasplit'" in capsys.readouterr().err


def test_what_was_measured_is_kept_when_a_later_part_fails(tmp_path, monkeypatch):
    def fails(*_: object) -> None:
        raise InvalidInput("no more")

    (tmp_path / "dynasplit").mkdir()
    for part in (composition, searching):
        monkeypatch.setattr(part, "facts", lambda *_: {"seeds": 2})
        monkeypatch.setattr(part, "targets", lambda _: [Target("a figure", 1.0, 2.0, "ms")])
    monkeypatch.setattr(replaying, "facts", fails)

    code = main(["bench", "planner", "--quick", "--reference", str(tmp_path), "--json", str(tmp_path / "facts.json")])

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert code == 2
    assert facts["complete"] is False
    assert facts["composition"] == facts["searching"] == {"seeds": 2}
    assert "replaying" not in facts
    assert len(facts["targets"]) == 2


def test_the_short_workload_is_told_with_its_spread():
    runs = {"violations": [0, 1, 3], "total_j": [3900.0, 3939.0, 3964.0], "median_j": [87.5, 88.98, 89.2]}
    found = {"short": {"recorded": {name: spread(values) for name, values in runs.items()}}}
    out = Console(record=True, width=120, file=io.StringIO())

    out.print(summary._short("vit", found))

    told = " ".join(out.export_text().split())
    assert "vit: dynasplit on 50 requests, all trials known, median (range) of 3 seeds" in told
    assert "recorded 1 (0-3) 3.939 (3.900-3.964) 88.98 (87.50-89.20)" in told


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
    assert facts["complete"]
    assert len(facts["targets"]) >= 20
    assert "target" in capsys.readouterr().err


@pytest.mark.reference
@pytest.mark.system
def test_learned_from_a_tenth_of_the_space_it_is_less_often_late_than_published_and_saves_half(reference: Path):
    published = replaying._Published.read(reference, "vgg16")

    run = replaying._against_cloud_only(published, "recorded", published.learned(0.1, 101), 101)

    assert run["violations"] < 513 / 2
    assert run["saved"] > 0.45
