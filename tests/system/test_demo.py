from __future__ import annotations

import json
import math
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from models.bundle import Bundle
from planner.choosing.strategies import STRATEGIES
from protocol.configuration import Provenance
from tools.demo_report import OVERRUNS_TO_TELL

pytestmark = pytest.mark.system

REQUESTS = 20
DYNASPLIT = str(Path(sys.executable).with_name("dynasplit"))


@pytest.mark.alone  # here the demo that the tests share serves its requests, whose times they compare
def test_every_strategy_served_every_request(running_demo):
    strategies = running_demo.facts["strategies"]
    assert set(strategies) == set(STRATEGIES)
    for part in strategies.values():
        assert part["requests"] == REQUESTS
        assert part["refused"] == 0
        assert sum(part["decisions"].values()) == REQUESTS
        assert 0 <= part["violations"] <= REQUESTS
        assert 0.9 <= part["accuracy"] <= 1.0
        assert 0 < part["median_latency_ms"] <= part["p95_latency_ms"]


def test_nothing_was_lost_between_agent_and_store(running_demo):
    facts = running_demo.facts
    assert facts["stored_inferences"] == sum(part["requests"] for part in facts["strategies"].values())
    assert facts["table_rows"] > len(STRATEGIES)


def test_the_accounts_add_up_and_every_figure_says_where_it_comes_from(running_demo):
    kinds = {kind.value for kind in Provenance}
    for part in running_demo.facts["strategies"].values():
        energy = part["energy_j"]
        assert 0 < energy["edge"] <= energy["edge_active"] <= energy["edge_node"]
        figures = {"median_latency_ms", "p95_latency_ms", "violations", "accuracy"} | {
            f"energy_j.{name}" for name in energy
        }
        assert set(part["provenance"]) == figures
        assert all(listed and set(listed) <= kinds for listed in part["provenance"].values())
    cloud = running_demo.facts["strategies"]["cloud-only"]["provenance"]
    assert cloud["energy_j.edge_node"] == ["emulated", "estimated"]
    assert cloud["median_latency_ms"] == ["emulated", "measured"]


def test_the_baselines_do_what_their_names_say(running_demo):
    facts = running_demo.facts
    cloud_only = facts["strategies"]["cloud-only"]
    assert REQUESTS - cloud_only["decisions"]["0"] <= cloud_only["fallbacks"], (
        "a machine that has much to do answers late"
    )
    assert facts["strategies"]["edge-only"]["decisions"] == {str(facts["edge_only_cut"]): REQUESTS}


def test_dynasplit_is_late_less_often_than_the_device_alone(running_demo):
    strategies = running_demo.facts["strategies"]
    ours = strategies["dynasplit"]
    # But for those where the cloud, on a machine that has much to do, did not answer in time.
    late = ours["violations"] - ours["fallbacks"]
    assert late < strategies["edge-only"]["violations"]
    assert late < strategies["energy-saver"]["violations"]


def test_dynasplit_leaves_less_work_to_the_cloud_than_cloud_only(running_demo):
    manifest = Bundle.open(running_demo.data / "bundle").manifest
    decisions = running_demo.facts["strategies"]["dynasplit"]["decisions"]
    left = sum(count * manifest.tail_work(int(cut)).total_macs for cut, count in decisions.items())
    assert left < REQUESTS * manifest.tail_work(0).total_macs


def test_the_printed_sentence_says_what_the_figures_say(running_demo):
    strategies = running_demo.facts["strategies"]
    ours, cloud = (strategies[name]["energy_j"]["edge_node"] for name in ("dynasplit", "cloud-only"))
    printed = " ".join(running_demo.text.split())
    assert ("less energy than cloud-only" in printed) is (ours <= cloud)
    assert ("did not come out as it should" in printed) is not (ours < cloud)


def test_the_printed_table_tells_what_is_emulated_and_what_it_means(running_demo):
    for word in ("emulated", "estimated", "dynasplit spent", "cloud-only", "edge_node", "in the store"):
        assert word in running_demo.text


def test_it_is_told_when_this_machine_could_not_keep_up_with_the_emulated_device(running_demo):
    facts = running_demo.facts
    told = "slower than the emulated device" in running_demo.text
    assert told is (facts["overruns"] > OVERRUNS_TO_TELL * REQUESTS * len(STRATEGIES))


def test_the_example_it_prints_works_as_it_stands(running_demo):
    command = next(line.strip() for line in running_demo.printed if line.strip().startswith("curl"))
    answer = json.loads(subprocess.run(command, shell=True, capture_output=True, check=True).stdout)
    assert len(answer["outputs"][0]["data"]) == 10
    assert answer["parameters"]["configuration"]["cpu_khz"] > 0


def _post(running_demo, body: bytes, *, path: str = "/v2/models/digits_vgg/infer", token: str = "") -> tuple[int, dict]:
    url = running_demo.facts["endpoints"]["agent"] + path
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def _request(running_demo, **parameters) -> bytes:
    content = json.loads((running_demo.data / "example-request.json").read_text())
    content["parameters"] = parameters
    return json.dumps(content).encode()


@pytest.mark.parametrize("deadline", [0, -5, math.nan, math.inf, "soon", True])
def test_a_deadline_that_is_none_is_refused_in_one_line(running_demo, deadline):
    status, answer = _post(running_demo, _request(running_demo, deadline_ms=deadline))
    assert status == 400
    assert "\n" not in answer["error"]
    assert "Traceback" not in answer["error"]


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        (None, "/v2/models/nowhere/infer", 404),
        (b'{"inputs": [', "/v2/models/digits_vgg/infer", 400),
        (b"", "/v2/models/digits_vgg/infer", 400),
        (
            b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}',
            "/v2/models/digits_vgg/infer",
            400,
        ),
        (b'{"inputs": []}', "/v2/models/digits_vgg/infer", 400),
        (None, "/v2/nothing", 404),
    ],
)
def test_bad_requests_get_a_json_error_with_the_right_status(running_demo, body, path, expected):
    status, answer = _post(running_demo, _request(running_demo) if body is None else body, path=path)
    assert status == expected
    assert set(answer) == {"error"}


def test_choosing_a_strategy_needs_the_operators_token(running_demo):
    body = _request(running_demo, strategy="edge-only")
    assert _post(running_demo, body)[0] in (401, 403)
    status, answer = _post(running_demo, body, token=running_demo.facts["endpoints"]["token"])
    assert status == 200
    assert answer["parameters"]["strategy"] == "edge-only"


def test_a_second_demo_on_the_same_folder_is_refused(running_demo):
    command = [DYNASPLIT, "demo", "--data", str(running_demo.data), "--requests", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "in use by another demo" in result.stderr
    assert running_demo.process.poll() is None


def test_killing_the_backend_loses_neither_an_answer_nor_a_record(demo_without_backend):
    demo, strategies = demo_without_backend, demo_without_backend.facts["strategies"]
    assert sum(part["refused"] for part in strategies.values()) == 0
    assert strategies["cloud-only"]["fallbacks"] > 0
    assert demo.facts["stored_inferences"] == 25 * len(strategies)
    assert "finished on the device" in demo.text
    assert "compares little" in " ".join(demo.text.split())


def test_killing_ingest_before_the_table_is_pushed_only_takes_longer(demo_without_backend):
    assert "ingest had ended; it was started again" in demo_without_backend.text
    assert set(demo_without_backend.facts["strategies"]) == set(STRATEGIES)


def test_a_demo_that_is_through_leaves_nothing_behind(demo_without_backend):
    assert demo_without_backend.left_behind() == []


def test_a_relative_folder_serves_as_well_and_what_lies_around_shadows_nothing(demo_without_backend):
    assert demo_without_backend.facts["complete"]
    assert (demo_without_backend.folder / "data" / "bundle" / "bundle.json").exists()


@pytest.mark.parametrize("service", ["ingest", "broker"])
def test_what_carries_telemetry_is_started_again(demo_without_agent, service):
    assert f"{service} had ended; it was started again" in demo_without_agent.text


def test_killing_the_agent_costs_the_request_of_that_moment_and_is_told(demo_without_agent):
    strategies = demo_without_agent.facts["strategies"]
    unanswered = sum(part["unanswered"] for part in strategies.values())
    assert 1 <= unanswered <= 10
    assert all(part["requests"] == 20 for part in strategies.values())
    assert demo_without_agent.facts["stored_inferences"] >= 20 * len(strategies) - unanswered
    assert "not answered" in demo_without_agent.text


def test_a_table_for_a_device_that_nobody_registered_is_refused(running_demo, tmp_path):
    table = json.loads((running_demo.data / "table.json").read_text()) | {"device": "nobody"}
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table))
    endpoints = running_demo.facts["endpoints"]
    command = [DYNASPLIT, "push", str(path), "--backend", endpoints["backend"], "--token", endpoints["token"]]
    result = subprocess.run(
        [*command, "--key", str(running_demo.data / "operator.key")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "'nobody'" in result.stderr


def test_the_results_are_for_the_users_eyes_only_since_they_hold_a_token(running_demo):
    assert running_demo.json.stat().st_mode & 0o777 == 0o600


def test_ctrl_c_stops_everything_and_leaves_nothing_behind(start_demo):
    demo = start_demo("--requests", "50")
    demo.wait_for("are up")

    demo.interrupt()

    assert demo.wait() == 130
    assert "Traceback" not in demo.text
    assert demo.left_behind() == []


def test_a_killed_demo_leaves_nothing_behind(start_demo):
    demo = start_demo("--requests", "50")
    demo.wait_for("are up")

    demo.process.kill()
    demo.process.wait()

    demo.wait_until_nothing_is_left()


@pytest.mark.parametrize(
    "arguments", [["--requests", "0"], ["--requests=-3"], ["--data", "/proc/nowhere"], ["--json", "/nowhere/x.json"]]
)
def test_bad_options_are_refused_in_one_line(arguments):
    result = subprocess.run([DYNASPLIT, "demo", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_device_is_searched_live_and_an_interrupted_search_goes_on(running_demo, tmp_path):
    endpoints = running_demo.facts["endpoints"]
    places = ["--agent", endpoints["agent"], "--backend", endpoints["backend"], "--token", endpoints["token"]]
    kept, facts = tmp_path / "kept.jsonl", tmp_path / "facts.json"
    command = [DYNASPLIT, "optimize", "--bundle-folder", str(running_demo.data / "bundle"), *places, "--repeats", "1"]
    files = ["--keep", str(kept), "--json", str(facts), "-o", str(tmp_path / "table.json")]

    for budget, lines in (("8", 8), ("12", 12), ("12", 12)):
        result = subprocess.run([*command, *files, "--budget", budget], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert len(kept.read_text().splitlines()) == lines

    found = json.loads(facts.read_text())
    assert (found["network"], found["measured"], found["asked"]) == ("digits_vgg", 12, 12)
    assert {"estimated", "emulated"} >= set(found["front"][0]["provenance"]["latency_ms"])
