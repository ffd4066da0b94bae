"""`dynasplit bench cluster`: what it is given, what it says; its figures stand in the docs, not in tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.benches.cluster import large
from tools.benches.cluster.networks import published
from tools.cli import main


def test_without_the_published_data_it_says_what_to_give(capsys, monkeypatch):
    monkeypatch.delenv("DYNASPLIT_REFERENCE", raising=False)

    assert main(["bench", "cluster"]) == 2

    assert "give the folder of the published data" in capsys.readouterr().err


def test_a_folder_without_instances_is_refused(tmp_path, capsys):
    assert main(["bench", "cluster", "--reference", str(tmp_path)]) == 2

    assert f"{tmp_path} holds no instance in its folder 'seifer'" in capsys.readouterr().err


def test_an_instance_without_published_results_is_named(tmp_path, capsys):
    (tmp_path / "seifer").mkdir()
    path = tmp_path / "seifer" / "one.json"
    path.write_text("{}")

    assert main(["bench", "cluster", "--reference", str(tmp_path)]) == 2

    assert f"instance {path} lacks the published results: 'results'" in capsys.readouterr().err


def test_a_folder_of_networks_that_is_none_is_refused(tmp_path, capsys):
    assert main(["bench", "cluster", "--reference", str(tmp_path), "--networks", str(tmp_path / "none")]) == 2

    assert "none is no folder" in capsys.readouterr().err


@pytest.mark.reference
@pytest.mark.system
def test_every_figure_stands_beside_its_target(reference: Path, tmp_path, monkeypatch, capsys):
    for name, value in (("FIFTY", 12), ("TWO_HUNDRED", 20), ("CAPACITIES_MIB", (64,))):
        monkeypatch.setattr(large, name, value)
    path = tmp_path / "facts.json"

    code = main(["bench", "cluster", "--quick", "--reference", str(reference), "--json", str(path)])

    facts = json.loads(path.read_text())
    assert code == (0 if facts["met"] else 1)
    assert facts["complete"]
    assert len(facts["instances"]) == 10
    assert all(each["exact"]["proven"] and each["off_published"] < 1e-9 for each in facts["instances"].values())
    assert "1 more of 64 MiB" in facts["instances"]["InceptionResNetV2-64MB-n5"]["infeasible"]
    assert {each["nodes"] for each in facts["large"]} == {12, 20}
    assert all(each["loss"] is None or each["loss"]["least"] >= 1 for each in facts["mixed"].values())
    assert all(each["gain"]["lower"] >= 1 - 1e-9 for each in facts["boards"].values())
    assert "target" in capsys.readouterr().err


@pytest.mark.reference
def test_the_published_results_are_read(reference: Path):
    each = published(reference)[-1]

    assert (each.name, each.network) == ("ResNet50-64MB-n5", "ResNet50")
    assert each.exact_s == pytest.approx(4.5173356)
