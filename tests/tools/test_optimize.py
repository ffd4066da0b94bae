"""`dynasplit optimize`, as a user meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from planner.hypervolume import hypervolume
from planner.profiling import plan
from planner.space import Space
from protocol.configuration import Codec, Provenance
from protocol.link import Link
from protocol.measurement import FIGURES, Cost, Measurement
from protocol.table import Table
from tools.cli import main

LAST = 4
SPACE = Space(
    cuts=tuple(range(LAST + 1)), clocks_khz=(600_000, 1_200_000, 1_800_000), codecs=(Codec.RAW, Codec.INT8_ZSTD)
)
LINK = Link(rtt_ms=2.0, up_bytes_per_ms=500.0, down_bytes_per_ms=500.0)
ROOT = Path(__file__).parents[2]
SAMPLER = pytest.param("nsga3", marks=pytest.mark.system)
"""Importing Optuna takes its time."""


def measured(configuration, *, idle_known=True, **origin) -> Measurement:
    sends = configuration.cut < LAST
    ghz = configuration.cpu_khz / 1e6
    head_ms = configuration.cut * 30 / ghz
    up_bytes = (4000 if configuration.codec is Codec.RAW else 800) * sends
    waited_ms = (LINK.transfer_ms(up_bytes, 40), 1.5 * (LAST - configuration.cut)) if sends else (0.0, 0.0)
    cost = Cost(
        head_ms=head_ms,
        transfer_ms=waited_ms[0],
        cloud_ms=waited_ms[1],
        latency_ms=head_ms + sum(waited_ms),
        up_bytes=up_bytes,
        down_bytes=40 * sends,
        head_mj=head_ms * (2 + ghz),
        wait_mj=sum(waited_ms) * 2.5,
        cloud_node_mj=waited_ms[1] * 900,
        cloud_active_mj=waited_ms[1] * 300 if idle_known else None,
        provenance=dict.fromkeys(FIGURES, Provenance.EMULATED),
    )
    names = {"network": "digits", "bundle": "b" * 64, "device": "pi-1", "run": "first"} | origin
    return Measurement(
        configuration=configuration,
        cost=cost,
        link=LINK,
        runtime="fake",
        at=0.0,
        clock_synced=True,
        accuracy=None,
        **names,
    )


def lines(measurements) -> str:
    return "".join(json.dumps(item.to_json()) + "\n" for item in measurements)


def profile(**changes) -> list[Measurement]:
    return [measured(item, **changes) for item in plan(SPACE)]


@pytest.fixture
def optimize(tmp_path, capsys):
    """Runs the verb on measurements (or on a source) and gives exit code, facts, table and what stood on stderr."""

    def run(source, *arguments):
        if not isinstance(source, str):
            (tmp_path / "m.jsonl").write_text(lines(source))
            source = str(tmp_path / "m.jsonl")
        output = tmp_path / "table.json"
        code = main(["optimize", "--measurements", source, "-o", str(output), "--json", "-", *arguments])
        captured = capsys.readouterr()
        facts = json.loads(captured.out) if code == 0 else None
        table = Table.from_json(json.loads(output.read_text())) if output.exists() else None
        return code, facts, table, captured.err

    return run


def test_measurements_become_a_table_and_facts(optimize):
    code, facts, table, told = optimize(profile())

    assert code == 0
    assert (table.network, table.bundle, table.device, table.version) == ("digits", "b" * 64, "pi-1", 0)
    assert table.link == LINK
    assert (facts["space"], facts["measured"], facts["method"]) == (SPACE.size, len(plan(SPACE)), "compose")
    assert facts["table_rows"] == len(table.rows)
    assert facts["table"] == table.digest
    assert "digits on pi-1" in told


def test_the_front_gets_slower_and_cheaper_and_carries_its_provenance(optimize):
    _, facts, _, told = optimize(profile())

    latencies = [row["latency_ms"] for row in facts["front"]]
    energies = [row["energy_mj"] for row in facts["front"]]
    assert latencies == sorted(latencies)
    assert energies == sorted(energies, reverse=True)
    assert facts["front"][-1]["configuration"]["cut"] == LAST
    assert facts["front"][-1]["provenance"] == {"latency_ms": ["emulated"], "energy_mj": ["emulated"]}
    assert facts["front"][0]["provenance"]["latency_ms"] == ["emulated", "estimated"]
    assert "emulated" in told
    assert "unknown" in told


def test_rows_that_were_composed_are_marked_and_the_mark_is_explained(optimize):
    _, some, _, told = optimize([item for item in profile() if item.configuration.cut in (0, 2, LAST)], "--partial")
    _, whole, _, all_measured = optimize([measured(item) for item in SPACE.configurations()])

    composed = [row for row in some["front"] if not row["measured"]]
    assert composed
    assert all(f"~{row['latency_ms']:.1f}" in told for row in composed)
    assert not any(f"~{row['latency_ms']:.1f} " in told for row in some["front"] if row["measured"])
    assert "~: composed of parts that were measured in other configurations" in " ".join(told.split())
    assert all(row["measured"] for row in whole["front"])
    assert "~" not in all_measured


def test_configurations_of_suspects_alone_are_counted_apart(optimize, make_pool):
    slow = {50: {"avg latency edge (ms)": 9000.0, "avg energy edge (J)": 40.0}}

    _, facts, _, told = optimize(str(make_pool(changes=slow)))

    assert facts["measured_soundly"] == facts["measured"] - 1
    assert f"{facts['measured']} configurations measured (1 of them by suspects alone)" in " ".join(told.split())


def test_the_account_decides_the_front_but_not_the_table(optimize):
    _, node, for_node, _ = optimize(profile())
    _, edge, for_edge, _ = optimize(profile(), "--account", "edge")

    assert for_node.digest == for_edge.digest
    assert edge["account"] == "edge"
    assert edge["front"] != node["front"]


def test_energy_above_idle_is_refused_where_nobody_knows_it(optimize):
    code, _, table, told = optimize(profile(idle_known=False), "--account", "edge_active")

    assert code == 2
    assert table is None
    assert "idle power" in told


def test_a_bad_line_is_named(optimize, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text(lines(profile()[:2]) + '\n{"schema": 1}\n')

    code, _, table, told = optimize(str(path))

    assert code == 2
    assert table is None
    assert "bad.jsonl:4" in told.replace("\n", "")


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize(("part", "name", "value"), [("cost", "head_mj", 5e-324), ("configuration", "cpu_khz", 1)])
@pytest.mark.parametrize("arguments", [(), ("--budget", "100%")], ids=["all", "searched"])
def test_a_measurement_that_makes_nonsense_of_all_is_named(optimize, tmp_path, part, name, value, arguments):
    few = Space(cuts=(0, 2, LAST), clocks_khz=(600_000, 1_800_000), codecs=(Codec.RAW,)).configurations()
    contents = [measured(item).to_json() for item in few]
    for each in contents:
        each["cost"] |= {"head_ms": 1.0 + each["configuration"]["cut"], "head_mj": 4.0}
    contents[3][part][name] = value
    path = tmp_path / "odd.jsonl"
    path.write_text("\n".join(map(json.dumps, contents)))

    code, _, _, told = optimize(str(path), *arguments)

    assert (code, "Traceback" in told) == (2, False)
    assert f"{path}:4, with {name} {value:g} where the middle one is" in told


@pytest.mark.parametrize("name", ["network", "device", "bundle"])
def test_of_several_origins_one_must_be_chosen(optimize, name):
    mixed = [*profile(), *profile(**{name: "other"})]

    code, _, _, told = optimize(mixed)
    chosen, _, table, _ = optimize(mixed, f"--{name}", "other")

    assert code == 2
    assert f"choose with --{name}" in told
    assert "other" in told
    assert chosen == 0
    assert getattr(table, name) == "other"


def test_a_run_can_be_picked(optimize):
    again = [measured(item, run="second") for item in plan(SPACE) if item.cpu_khz == 1_800_000]

    _, facts, _, _ = optimize([*profile(), *again], "--run", "second")

    assert facts["measurements"] == len(again)


@pytest.mark.parametrize(
    ("source", "arguments", "complaint"),
    [
        ([], (), "no measurements"),
        ("gone.jsonl", (), "gone.jsonl cannot be read"),
        ("sqlite:///x.db", (), "sqlite:///x.db"),
        ([measured(plan(SPACE)[0])], ("--device", "pi-2"), "pi-1"),
        ([measured(plan(SPACE)[0])], ("--metric", "top5"), "--metric is of an accuracy; add --accuracy"),
    ],
)
def test_what_cannot_be_used_is_said(optimize, source, arguments, complaint):
    code, _, _, told = optimize(source, *arguments)

    assert code == 2
    assert complaint in told


def test_gaps_are_refused_or_left_out_loudly(optimize):
    gappy = [item for item in profile() if (item.configuration.cut, item.configuration.codec) != (2, Codec.INT8_ZSTD)]

    code, _, _, told = optimize(gappy)
    partial, facts, table, warned = optimize(gappy, "--partial")

    assert code == 2
    assert "cut 2" in told
    assert partial == 0
    assert facts["left_out"] == 3
    assert "3 configurations are not covered" in warned
    assert len(table.rows) == facts["table_rows"]


def test_an_output_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "m.jsonl").write_text(lines(profile()))

    code = main(["optimize", "--measurements", str(tmp_path / "m.jsonl"), "-o", str(tmp_path / "gone" / "table.json")])

    assert code == 2
    assert "cannot write" in capsys.readouterr().err


class Backend(BaseHTTPRequestHandler):
    """Serves the measurements that match the query, to operators."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != "Bearer secret":
            self.answer(401, b'{"error": "the token is unknown here"}')
            return
        wanted = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        stored = [*profile(), *profile(network="other")]
        found = [item for item in stored if all(getattr(item, name) == value for name, value in wanted.items())]
        self.answer(200, lines(found).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def backend():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_measurements_come_from_a_backend_too(optimize, backend):
    code, facts, table, _ = optimize(backend, "--token", "secret", "--network", "digits")

    assert code == 0
    assert facts["measurements"] == len(plan(SPACE))
    assert table.network == "digits"


def test_a_token_that_nobody_issued_is_refused(optimize, backend):
    code, _, _, told = optimize(backend, "--token", "guess")

    assert code == 2
    assert "token" in told


def test_a_backend_that_is_away_is_a_missing_service(optimize):
    code, _, _, told = optimize("http://127.0.0.1:9")

    assert code == 4
    assert "127.0.0.1:9" in told


@pytest.mark.exhaustive
def test_it_runs_by_path(tmp_path):
    (tmp_path / "m.jsonl").write_text(lines(profile()))
    command = [sys.executable, str(ROOT / "tools" / "optimize.py"), "--measurements", "m.jsonl", "-o", "table.json"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert Table.from_json(json.loads((tmp_path / "table.json").read_text())).device == "pi-1"


def test_the_reference_point_and_the_hypervolume_fit_the_front(optimize):
    _, facts, _, _ = optimize(profile())

    corner = (facts["reference_point"]["latency_ms"], facts["reference_point"]["energy_mj"])
    points = [(row["latency_ms"], row["energy_mj"]) for row in facts["front"]]
    assert facts["hypervolume"] == pytest.approx(hypervolume(points, corner))
    assert facts["hypervolume"] >= facts["hypervolume_measured"] > 0


def test_a_published_pool_becomes_a_table(optimize, make_pool):
    code, facts, table, told = optimize(str(make_pool()))

    assert code == 0
    assert (facts["space"], facts["measured"], facts["left_out"]) == (112, 112, 0)
    assert (facts["suspects"], facts["skipped"]) == ([], 0)
    assert table.device == "pi4-published"
    assert "estimated, measured" in " ".join(told.split())


def test_bad_lines_are_refused_or_counted(optimize, make_pool):
    path = make_pool(changes={5: {"latency": -3}, 9: {"cpu-freq": 700}})

    code, _, table, told = optimize(str(path))
    skipped, facts, _, warned = optimize(str(path), "--skip-bad")

    assert (code, table) == (2, None)
    assert f"{path}:5: latency must be 0 or more, not -3" in told
    assert skipped == 0
    assert (facts["skipped"], facts["measurements"]) == (2, 110)
    assert "2 lines cannot be" in warned


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize(
    ("method", "budget", "asked"),
    [("compose", "10%", 11), ("exhaustive", "0.1", 11), ("exhaustive", "20", 20), ("exhaustive", "100%", 112)],
)
def test_a_budget_is_a_share_or_a_count(optimize, make_pool, budget, asked, method):
    code, facts, table, _ = optimize(str(make_pool()), "--budget", budget, "--method", method)

    assert code == 0
    assert (facts["budget"], facts["asked"], facts["measured"], facts["method"]) == (asked, asked, asked, method)
    assert facts["space"] == 112
    assert len(table.rows) == facts["table_rows"]


@pytest.mark.parametrize("budget", ["0", "1.5", "-3", "200%", "nan", "many", "0%", "2.0"])
def test_budgets_that_cannot_be_are_refused(optimize, make_pool, budget):
    code, _, table, told = optimize(str(make_pool()), f"--budget={budget}")

    assert (code, table) == (2, None)
    assert "budget" in told


def test_what_was_never_recorded_costs_budget_and_gives_nothing(optimize, make_pool, trials):
    half = trials[1::2]

    _, facts, _, _ = optimize(str(make_pool(half)), "--budget", "100%", "--method", "exhaustive")

    assert (facts["asked"], facts["measured"], facts["left_out"]) == (112, 56, 56)


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", ["compose", "exhaustive", SAMPLER])
def test_the_anchors_are_always_measured(optimize, make_pool, method):
    _, _, table, _ = optimize(str(make_pool()), "--budget", "12", "--method", method)

    rows = {row.configuration: row for row in table.rows}
    ends = [row for at, row in rows.items() if at.cpu_khz == 1_800_000 and at.cut in (0, 4)]
    assert {row.configuration.cut for row in ends} == {0, 4}
    assert all(row.provenance["head_ms"] is Provenance.MEASURED for row in ends)


@pytest.mark.system
def test_the_seed_decides(optimize, make_pool):
    runs = [optimize(str(make_pool()), "--budget", "20", "--method", "nsga3", "--seed", seed)[1] for seed in "778"]

    for facts in runs:
        del facts["seconds"]
    assert runs[0] == runs[1]
    assert runs[0]["table"] != runs[2]["table"]


def test_without_a_budget_a_sampler_has_nothing_to_choose_and_says_so(optimize, make_pool):
    code, facts, _, told = optimize(str(make_pool()), "--method", "nsga3")

    assert code == 0
    assert (facts["measured"], facts["budget"]) == (112, None)
    assert "nothing to choose" in told


@pytest.fixture
def wrong_clock(trials, make_trial) -> dict[int, dict[str, float]]:
    """Line 52 took as long as if the device had run at 1800 MHz."""
    fields = trials[52 - 2]
    fast = make_trial(int(fields["layer"]), 1800, fields["edge-accelerator"], gpu=fields["server-accelerator"])
    assert fields["cpu-freq"] < 1400
    return {52: fast | {"cpu-freq": fields["cpu-freq"]}}


def test_suspects_are_listed_and_do_not_enter_the_table_unless_trusted(optimize, make_pool, wrong_clock):
    path = str(make_pool(changes=wrong_clock))

    _, facts, table, told = optimize(path)
    _, trusted, all_in, warned = optimize(path, "--trust-all")

    (suspect,) = [item for item in facts["suspects"] if item["figure"] == "head_ms"]
    assert suspect["where"] == f"{path}:52"
    assert {"configuration", "recorded", "expected", "ratio", "cause"} <= set(suspect)
    assert suspect["ratio"] == pytest.approx(suspect["recorded"] / suspect["expected"])
    assert "1800 MHz" in suspect["cause"]
    assert "left out" in told
    assert trusted["suspects"] == facts["suspects"]
    assert "trusted all the same" in " ".join(warned.split())
    assert all_in != table


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--bundle-folder", "b"), "either --measurements, or --bundle-folder"),
        (("--agent", "http://127.0.0.1:9"), "--agent is for measuring on the device"),
        (("--keep", "k.jsonl"), "--keep is for measuring on the device"),
        (("--storage", "sqlite:///s.db"), "add --budget"),
        (("--seed", "-1"), "--seed must be 0 or more"),
        (("--plot", "front.gif"), "--plot front.gif: the name must end in .svg or .png or .html"),
        (("--json", "/nowhere/facts.json"), "cannot write /nowhere/facts.json"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_any_work(tmp_path, capsys, arguments, complaint):
    code = main(["optimize", "--measurements", str(tmp_path / "gone.jsonl"), *arguments])

    assert code == 2
    assert complaint in capsys.readouterr().err


WITH_NUMPY_ONLY = """
import runpy, sys
allowed = {"numpy", "protocol", "planner", "models", "tools", *sys.stdlib_module_names}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.exhaustive
def test_it_runs_by_path_with_nothing_but_numpy(tmp_path, make_pool):
    path = make_pool(changes={9: {"cpu-freq": 700}})
    script = [str(ROOT / "tools" / "optimize.py"), "--measurements", path.name, "--skip-bad", "-o", "table.json"]

    done = subprocess.run(
        [sys.executable, "-c", WITH_NUMPY_ONLY, *script, "--budget", "30%", "--json", "facts.json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "MHz" in done.stderr
    assert json.loads((tmp_path / "facts.json").read_text())["asked"] == 33
    assert Table.from_json(json.loads((tmp_path / "table.json").read_text())).network == "trials"


@pytest.mark.system
def test_a_storage_keeps_what_was_measured_for_all_who_share_it(optimize, make_pool, tmp_path):
    path, storage = str(make_pool()), f"sqlite:///{tmp_path}/search.db"
    arguments = ("--budget", "15", "--method", "nsga3", "--storage", storage)

    _, first, table, _ = optimize(path, *arguments, "--seed", "1")
    _, second, again, _ = optimize(path, *arguments, "--seed", "2")
    code, _, _, told = optimize(path, "--budget", "16", *arguments[2:])

    assert first["asked"] == second["asked"] == 15
    assert table == again, "nothing was left to measure"
    assert (code, "budget of 15, not 16" in told) == (2, True)


@pytest.mark.parametrize(
    ("storage", "code"), [("mysql://x/y", 2), ("nonsense", 2), ("postgresql://me:secret@127.0.0.1:9/x", 4)]
)
def test_a_storage_that_cannot_be_used_is_said_in_one_line(optimize, make_pool, storage, code):
    exit_code, _, _, told = optimize(str(make_pool()), "--budget", "5", "--storage", storage)

    assert exit_code == code
    assert "storage" in told
    assert "secret" not in told
    assert "Traceback" not in told


GUIDE = (ROOT / "docs" / "guide" / "optimizer.md").read_text()


@pytest.mark.reference
@pytest.mark.parametrize("command", re.findall(r"^    dynasplit (optimize .*simulation_pool.*)$", GUIDE, re.MULTILINE))
def test_the_guides_commands_work_on_the_published_trials(reference, tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    words = command.replace("simulation_pool", f"{reference}/dynasplit/simulation_pool").split()

    code = main([*words, "--json", "facts.json"])

    facts = json.loads(Path("facts.json").read_text())
    assert code == 0
    assert (facts["space"], facts["network"]) == (917, "vgg16")
    assert facts["measured"] == 747 if facts["budget"] is None else facts["measured"] <= facts["budget"] == 91
    assert Table.from_json(json.loads(Path("table.json").read_text())).digest == facts["table"]
    assert "what is worth using" in capsys.readouterr().err


@pytest.mark.reference
def test_published_trials_at_a_wrong_clock_do_not_enter_the_table(optimize, reference):
    _, facts, _, _ = optimize(str(reference / "dynasplit" / "simulation_pool_vgg16.csv"), "--network", "vgg16")

    lines = {int(item["where"].rpartition(":")[2]) for item in facts["suspects"] if "1800 MHz" in item["cause"]}
    assert {545, 662, 893} <= lines, "edge time at 800 MHz that only 1800 MHz explains"
    assert all(item["ratio"] == pytest.approx(item["recorded"] / item["expected"]) for item in facts["suspects"])


@pytest.mark.reference
def test_edge_active_is_refused_for_the_published_trials(optimize, reference):
    path = reference / "dynasplit" / "simulation_pool_vit.csv"

    code, _, table, told = optimize(str(path), "--account", "edge_active")

    assert (code, table) == (2, None)
    assert len(told.splitlines()) == 1


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("urllib3", ["--measurements", "http://127.0.0.1:1"]),
        ("zstandard", ["--bundle-folder", "x", "--agent", "http://127.0.0.1:1", "--backend", "http://127.0.0.1:1"]),
    ],
)
def test_where_numpy_is_all_there_is_what_else_is_needed_is_named(package, arguments):
    without = f"import sys; sys.modules['{package}'] = None; from tools.cli import main; sys.exit(main(sys.argv[1:]))"

    ended = subprocess.run(
        [sys.executable, "-c", without, "optimize", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 4
    assert ended.stderr.count("\n") == 1
    assert f"needs the package '{package}'" in ended.stderr


def test_an_empty_budget_is_not_all(optimize):
    code, _, table, told = optimize(profile(), "--budget", "")

    assert (code, table) == (2, None)
    assert "not ''" in told


@pytest.mark.parametrize("url", ["sqlite:///{}", "{}"])
def test_a_storage_that_is_no_database_is_bad_input(optimize, tmp_path, url):
    path = tmp_path / "notes.txt"
    path.write_text("no database, but long enough to look like something")

    code, _, _, told = optimize(profile(), "--budget", "5", "--storage", url.format(path))

    assert code == 2
    assert "that file is no database" in told
    assert len(told.splitlines()) == 1
