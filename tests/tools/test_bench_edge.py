"""`dynasplit bench edge`: what it says and when it fails; its figures stand in the docs, not in tests."""

from __future__ import annotations

import json

import pytest

from protocol.errors import ServiceMissing
from tools.benches.edge import bench, idle, overhead, sampling
from tools.benches.figures import Target, spread
from tools.cli import main

PROCESS = {"name": "front", "rss_mib": 60.0, "pss_mib": 40.0, "cpu_percent": 0.1}

FACTS = {
    idle: {"emulated": {**PROCESS, "processes": [PROCESS]}},
    overhead: {
        **{name: {"edge-only": spread([1.5])} for name in ("overhead_ms", "inside_ms", "cpu_ms")},
        "quietest_ms": {"edge-only": 1.2},
        "busy": 0.4,
    },
    sampling: {"cores": 2},
}


@pytest.fixture
def parts(monkeypatch):
    """Makes each part a figure that meets its target, but for those that are named."""

    def making(*, missed=(), failing=()):
        def measure(part):
            if part in failing:
                raise ServiceMissing("the agent did not come up")
            return FACTS[part]

        for part in FACTS:
            figure = 3.0 if part in missed else 1.0
            name = part.__name__.rpartition(".")[2]
            monkeypatch.setattr(part, "facts", lambda *_, part=part, **__: measure(part))
            monkeypatch.setattr(part, "targets", lambda _, name=name, figure=figure: [Target(name, figure, 2.0, "ms")])

    return making


def test_every_figure_stands_beside_its_target_and_what_was_published(parts, tmp_path, capsys):
    parts()

    code = main(["bench", "edge", "--quick", "--json", str(tmp_path / "facts.json")])

    facts, said = json.loads((tmp_path / "facts.json").read_text()), capsys.readouterr().err
    assert code == 0
    assert facts["complete"]
    assert facts["met"]
    assert {"idle", "overhead", "sampling", "cpu", "packages", "date"} <= facts.keys()
    assert [target["name"] for target in facts["targets"]] == ["idle", "overhead", "sampling"]
    assert "4 to 9 ms to choose" in said
    assert "front" in said


def test_a_target_that_is_missed_is_exit_code_1(parts):
    parts(missed=(overhead,))

    assert main(["bench", "edge", "--quick"]) == 1


def test_what_was_measured_is_kept_when_a_later_part_fails(parts, tmp_path):
    parts(failing=(sampling,))

    code = main(["bench", "edge", "--quick", "--json", str(tmp_path / "facts.json")])

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert code == 4
    assert facts["complete"] is False
    assert "sampling" not in facts
    assert len(facts["targets"]) == 2


@pytest.mark.system
@pytest.mark.alone
def test_the_parts_themselves_give_what_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "QUICK", bench.Effort(sampling_s=0.5, idle_s=0.5, requests=5, decisions=20))

    code = main(["bench", "edge", "--quick", "--json", str(tmp_path / "facts.json")])

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert code == (0 if facts["met"] else 1)
    assert len(facts["targets"]) == 15
    assert "sampler" in capsys.readouterr().err
