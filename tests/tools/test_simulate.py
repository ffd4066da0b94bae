"""`dynasplit simulate`, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.simulation.contest import STRATEGIES
from protocol.configuration import CloudAccelerator, Configuration, Provenance
from protocol.link import Link
from protocol.measurement import FIGURES, Cost, Measurement
from tools.cli import main

LAST = 3
LINK = Link(rtt_ms=2.0, up_bytes_per_ms=500.0, down_bytes_per_ms=500.0)
FIELDS = {
    "requests",
    "violations",
    "infeasible",
    "fallbacks",
    "median_latency_ms",
    "energy_j",
    "median_energy_j",
    "decisions",
}


def measured(cut: int, khz: int, factor: float = 1.0, **changes) -> Measurement:
    sends = cut < LAST
    head_ms = cut * 40 / (khz / 1e6) * factor
    transfer_ms, cloud_ms = (LINK.transfer_ms(4000, 40), 10.0 * (LAST - cut) * factor) if sends else (0.0, 0.0)
    cost = Cost(
        head_ms=head_ms,
        transfer_ms=transfer_ms,
        cloud_ms=cloud_ms,
        latency_ms=head_ms + transfer_ms + cloud_ms,
        up_bytes=4000 * sends,
        down_bytes=40 * sends,
        head_mj=head_ms * 3,
        wait_mj=(transfer_ms + cloud_ms) * 2.5,
        cloud_node_mj=cloud_ms * 900,
        cloud_active_mj=None,
        provenance=dict.fromkeys(FIGURES, Provenance.EMULATED),
    )
    content = {
        "configuration": Configuration(cut, khz),
        "cost": cost,
        "network": "digits",
        "bundle": "b" * 64,
        "device": "pi-1",
        "runtime": "fake",
        "link": LINK,
        "at": 0.0,
        "clock_synced": True,
    }
    return Measurement(**content | changes)


def trials(repeats=(1.0, 1.02, 0.97, 1.0, 1.3)) -> list[Measurement]:
    places = [(cut, khz) for cut in range(LAST + 1) for khz in (600_000, 1_800_000)]
    return [measured(cut, khz, factor) for cut, khz in places for factor in repeats]


@pytest.fixture
def simulate(tmp_path, capsys):
    """Runs the verb on trials; gives the exit code, the facts (None: none were written), and what stood on stderr."""

    def run(measurements, *arguments: str):
        path = tmp_path / "trials.jsonl"
        path.write_text("".join(json.dumps(item.to_json()) + "\n" for item in measurements))
        asked = arguments if {"--requests", "--workload"} & set(arguments) else (*arguments, "--requests", "200")
        code = main(["simulate", "--measurements", str(path), "--json", "-", *asked])
        output = capsys.readouterr()
        return code, json.loads(output.out) if output.out else None, output.err

    return run


def refused(result, *words: str) -> None:
    code, facts, told = result
    assert (code, facts) == (2, None)
    assert all(word in told for word in words), told
    assert len([line for line in told.strip().splitlines() if not line.startswith("serving")]) == 1, told


def test_every_strategy_is_told_with_its_figures(simulate):
    code, facts, told = simulate(trials(), "--seed", "1")
    assert code == 0
    assert tuple(facts["strategies"]) == STRATEGIES
    for found in facts["strategies"].values():
        assert set(found) == FIELDS
        assert set(found["energy_j"]) == {"edge", "edge_node"}
        assert sum(one["requests"] for one in found["decisions"]) == found["requests"] == 200
        Configuration.from_json(found["decisions"][0]["configuration"])
    assert facts["provenance"] == {"latency_ms": ["emulated"], "energy_j": ["emulated"]}
    assert "emulated" in told and "cloud-only" in told


@pytest.mark.exhaustive
def test_the_same_seed_gives_the_same_facts_to_the_last_digit(simulate):
    once, again, other = (simulate(trials(), "--seed", seed)[1] for seed in ("3", "3", "4"))
    assert once == again != other


@pytest.mark.exhaustive
def test_whether_little_known_rows_are_tried_is_told_and_changes_what_dynasplit_chooses(simulate):
    trying, sure = (simulate(trials(), "--budget", "5", *option)[1] for option in ((), ("--no-tries",)))
    assert (trying["tries"], sure["tries"]) == (True, False)
    differ = [name for name in STRATEGIES if trying["strategies"][name] != sure["strategies"][name]]
    assert differ == ["dynasplit"]


def test_strategies_can_be_chosen(simulate):
    _, facts, _ = simulate(trials(), "--strategy", "oracle,dynasplit,oracle")
    assert tuple(facts["strategies"]) == ("oracle", "dynasplit")


def test_a_workload_is_read_for_the_network_that_was_measured(simulate, tmp_path):
    path = tmp_path / "workload.csv"
    path.write_text("Index,Network,Latency\n0,digits,5\n1,other,9\n2,digits,500.5\n")
    _, facts, _ = simulate(trials(), "--workload", str(path))
    assert (facts["requests"], facts["infeasible"]) == (2, 1)


@pytest.mark.exhaustive
def test_residuals_and_scenarios_make_figures_estimates(simulate, tmp_path):
    path = tmp_path / "storm.toml"
    path.write_text("[[link]]\nfrom_request = 3\nrtt_ms = 90\nup_mbps = 4\ndown_mbps = 4\n")
    for option in (("--outcomes", "residuals"), ("--scenario", str(path))):
        _, facts, _ = simulate(trials(), *option)
        assert facts["provenance"] == {"latency_ms": ["emulated", "estimated"], "energy_j": ["emulated", "estimated"]}


def test_a_scenario_may_be_json_whatever_it_is_called(simulate, tmp_path):
    path = tmp_path / "storm"
    path.write_text(json.dumps({"cloud_away": [{"from_request": 5, "to_request": 50}]}))
    _, facts, _ = simulate(trials(), "--scenario", str(path))
    assert facts["strategies"]["cloud-only"]["fallbacks"] > 0
    assert facts["scenario"] == str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("link = 3", ("storm.toml", "link must be a list")),
        ("[[link]", ("storm.toml", "TOML")),
        ('{"link": [}', ("storm.toml", "JSON")),
        ('{"burst": [{"from_request": 1, "requests": 1e99, "every_ms": 1}]}', ("storm.toml: burst 1", "requests")),
        ("[[cloud_away]]\nfrom_s = 1\nto_s = 2", ("from_s", "arrivals")),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(simulate, tmp_path, text, words):
    path = tmp_path / "storm.toml"
    path.write_text(text)
    refused(simulate(trials(), "--scenario", str(path)), *words)


def test_within_a_budget_dynasplit_knows_less(simulate):
    code, facts, told = simulate(trials(), "--budget", "50%")
    assert code == 0
    assert (facts["space"], facts["asked"], facts["budget"]) == (8, 4, "50%")
    assert facts["measured"] <= 4
    assert "4 asked for" in told


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--requests", "0"), ("--requests", "not 0")),
        (("--requests", "-5"), ("--requests", "not -5")),
        (("--requests", "5", "--workload", "w.csv"), ("either --workload",)),
        (("--workload", "nowhere.csv"), ("nowhere.csv",)),
        (("--strategy", "best"), ("--strategy", "dynasplit", "'best'")),
        (("--strategy", ""), ("--strategy",)),
        (("--seed", "-1"), ("--seed", "-1")),
        (("--budget", "0"), ("budget", "0")),
        (("--budget", "2.5"), ("budget", "2.5")),
        (("--budget", "many"), ("budget", "many")),
        (("--violation-rate", "0.9"), ("violation_rate", "0.9")),
        (("--scenario", "nowhere.toml"), ("nowhere.toml",)),
        (("--json", "/nowhere/x.json"), ("/nowhere/x.json",)),
        (("--account", "edge_active"), ("edge_active", "edge_node")),
        (("--network", "other"), ("other", "digits")),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(simulate, options, words):
    refused(simulate(trials(), *options), *words)


def test_without_repeated_trials_there_are_no_residuals(simulate):
    refused(simulate(trials([1.0]), "--outcomes", "residuals"), "5 times or more")


def test_one_configuration_alone_spans_no_workload(simulate):
    refused(simulate([measured(LAST, 600_000)]), "fastest")


def test_a_network_without_its_cloud_only_run_can_do_without_that_strategy(simulate):
    some = [item for item in trials() if item.configuration.cut]
    refused(simulate(some), "cloud-only")
    assert simulate(some, "--strategy", "dynasplit,paper,oracle")[0] == 0


@pytest.mark.reference
def test_the_published_trials_are_replayed(reference: Path, tmp_path, capsys):
    folder, output = reference / "dynasplit", tmp_path / "facts.json"
    source, workload = folder / "simulation_pool_vgg16.csv", folder / "network_latency_10000_samples.csv"
    arguments = ["--measurements", str(source), "--workload", str(workload), "--network", "vgg16", "--strategy", "all"]
    assert main(["simulate", *arguments, "--seed", "1", "--json", str(output)]) == 0
    strategies = json.loads(output.read_text())["strategies"]
    assert {found["infeasible"] for found in strategies.values()} == {107}
    cloud, edge = (strategies[name]["decisions"] for name in ("cloud-only", "edge-only"))
    assert [one["configuration"] for one in cloud] == [
        Configuration(0, 1_800_000, cloud_accelerator=CloudAccelerator.GPU).to_json()
    ]
    assert [one["configuration"]["edge_accelerator"] for one in edge] == ["max"]
    # published, each outcome drawn in another order: cloud-only 114, edge-only 5284
    assert strategies["cloud-only"]["violations"] == pytest.approx(114, abs=15)
    assert strategies["edge-only"]["violations"] == pytest.approx(5284, abs=50)
    assert strategies["oracle"]["violations"] <= min(found["violations"] for found in strategies.values())
