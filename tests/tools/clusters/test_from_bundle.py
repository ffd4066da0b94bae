"""A bundle on a cluster: what each piece takes there, from boards and from measurements, held to what the parts say."""

import json

import numpy as np
import pytest

from edge.requests.codec_work import encoding_work
from hardware.boards import device_model
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.stages import piece_memory
from models.zoo import digits_vgg
from planner.pipeline.finding.search import Objective, best
from protocol.configuration import Codec, Configuration, Provenance
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.measurement import Cost, Measurement
from protocol.pipeline_plan import PipelinePlan
from tools.cli import main
from tools.clusters.cluster import Cluster, NodeEntry
from tools.clusters.document import document_of
from tools.clusters.from_bundle import Wanted, problem_of
from tools.clusters.measured import measured_devices

KHZ = 1_000_000


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Bundle:
    return make_bundle(digits_vgg(), tmp_path_factory.mktemp("digits") / "bundle", name="digits", cuts="all")


def cluster(*nodes: NodeEntry) -> Cluster:
    count = len(nodes)
    return Cluster(nodes, np.full((count, count), 1e6) - np.eye(count) * 1e6, np.full(count, 2e6), np.full(count, 4e6))


EMULATED = NodeEntry("em", 4, board="emulated-pi4", clock_khz=KHZ)
REAL = NodeEntry("pi", 4, board="pi4")
SLOW = NodeEntry("slow", 4, board="zero2w", idle_w=0.5, busy_w=1.5)


def problem(bundle, *nodes, **more):
    return problem_of(Wanted(bundle, cluster(*nodes), **more), name="test")


def measured(bundle: Bundle, device: str, head_ms, kind=Provenance.MEASURED) -> str:
    """Measurements of all heads as JSON lines, by a function of the cut."""
    manifest = bundle.manifest
    lines = []
    for cut in manifest.cuts[1:]:
        sends = cut < manifest.operator_count
        cost = Cost(
            head_ms=head_ms(cut),
            transfer_ms=1.0 if sends else 0.0,
            cloud_ms=1.0 if sends else 0.0,
            latency_ms=head_ms(cut) + 2.0 * sends,
            up_bytes=manifest.cut(cut).boundary_bytes if sends else 0,
            down_bytes=40 if sends else 0,
            head_mj=head_ms(cut) * 4,
            wait_mj=6.0 if sends else 0.0,
            cloud_node_mj=1.0 if sends else 0.0,
            cloud_active_mj=None,
            provenance=dict.fromkeys(("head_ms", "transfer_ms", "cloud_ms", "latency_ms", "head_mj", "wait_mj"), kind),
        )
        measurement = Measurement(
            Configuration(cut, KHZ),
            cost,
            network="digits",
            bundle=bundle.digest,
            device=device,
            runtime="test",
            link=Link(rtt_ms=1.0, up_bytes_per_ms=1e3, down_bytes_per_ms=1e3),
            at=float(cut),
            clock_synced=True,
        )
        lines.append(json.dumps(measurement.to_json()))
    return "\n".join(lines)


@pytest.fixture
def devices(bundle, tmp_path):
    """Measured devices by name, each told with how long a head of so many operators takes."""

    def read(**head_ms):
        path = tmp_path / "measured.jsonl"
        path.write_text("\n".join(measured(bundle, name, how) for name, how in head_ms.items()))
        return measured_devices([str(path)], bundle.manifest, bundle.digest)

    return read


def test_pieces_take_what_the_board_of_each_node_takes_for_their_work(bundle):
    found = problem(bundle, EMULATED, REAL, SLOW)

    model = device_model("emulated-pi4")
    whole_ms = [model.time_ms(bundle.manifest.tail_work(0), khz) for khz in (KHZ, 1_500_000)]
    assert found.instance.compute_s[:2].sum(axis=1) * 1e3 == pytest.approx(whole_ms)
    assert found.instance.compute_s[2].sum() > found.instance.compute_s[1].sum()
    assert found.compute_kinds == (
        frozenset({Provenance.EMULATED}),
        frozenset({Provenance.ESTIMATED}),
        frozenset({Provenance.ESTIMATED}),
    )


def test_memory_and_bytes_are_those_of_the_bundle(bundle):
    found = problem(bundle, EMULATED, REAL, codecs=(Codec.RAW, Codec.INT8))

    memory, points = piece_memory(bundle), bundle.manifest.cut_points
    assert tuple(found.instance.pieces.weight_bytes) == memory.weight_bytes
    assert tuple(found.instance.pieces.peak_bytes) == memory.peak_bytes
    raw, int8 = found.instance.transfer_bytes
    assert raw[1:-1] == pytest.approx([point.boundary_bytes for point in points[1:-1]])
    assert int8[1:-1] == pytest.approx(raw[1:-1] / 4)
    assert raw[[0, -1]] == pytest.approx(int8[[0, -1]])


def test_coding_takes_the_boards_time_for_the_bytes_that_are_streamed(bundle):
    found = problem(bundle, EMULATED, REAL, codecs=(Codec.INT8,))

    work = encoding_work(bundle.manifest.cut_points[3].boundary, Codec.INT8)
    assert found.instance.codecs[0].encode_s[0, 3] * 1e3 == pytest.approx(
        device_model("emulated-pi4").time_ms(work, KHZ)
    )


def test_watts_are_the_files_or_the_boards_or_unknown(bundle):
    unknown = NodeEntry("z", 4, board="zero2w")
    found = problem(bundle, EMULATED, SLOW, unknown)

    assert [(node.idle_w, node.busy_w) for node in found.instance.nodes[:2]] == [(3.06, 3.37), (0.5, 1.5)]
    assert found.power_kinds == (frozenset({Provenance.EMULATED}), frozenset({Provenance.ESTIMATED}), None)
    with pytest.raises(InvalidInput, match="node z: nobody says what it draws"):
        found.check_energy()


def test_a_measured_device_stands_for_its_node_and_for_all_with_the_same_board(bundle, devices):
    twin, other = NodeEntry("twin", 4, clock_khz=KHZ, board="pi4"), NodeEntry("other", 4, board="zero2w")
    pi = NodeEntry("pi", 4, clock_khz=KHZ, board="pi4")

    found = problem(bundle, pi, twin, other, devices=devices(pi=lambda cut: 10.0 * cut))

    rows = found.instance.compute_s
    assert rows[0] == pytest.approx(rows[1])
    assert rows[0].sum() == pytest.approx(0.01 * bundle.manifest.operator_count, rel=0.02)
    assert Provenance.MEASURED in found.compute_kinds[1]
    assert found.compute_kinds[2] == frozenset({Provenance.ESTIMATED})


def test_a_node_without_a_board_is_known_by_what_was_measured_of_it(bundle, devices):
    found = problem(bundle, NodeEntry("x", 4), EMULATED, devices=devices(x=lambda cut: 5.0 * cut))

    assert found.instance.compute_s[0] == pytest.approx(np.full(bundle.manifest.operator_count, 5e-3), rel=0.02)
    assert found.compute_kinds[0] == frozenset({Provenance.MEASURED})
    assert found.origin.nodes[0].clock_khz == KHZ


def test_a_head_that_seems_shorter_than_one_that_it_contains_takes_no_time_below_nothing(bundle, devices):
    found = problem(bundle, NodeEntry("x", 4), EMULATED, devices=devices(x=lambda cut: 5.0 * cut - 7.0 * (cut == 6)))

    assert (found.instance.compute_s >= 0).all()


def test_what_zstd_leaves_is_a_bound_until_it_was_measured(bundle):
    found = problem(bundle, EMULATED, REAL, codecs=(Codec.RAW, Codec.INT8_ZSTD))

    assert found.instance.transfer_bytes[1, 1:-1] == pytest.approx(found.instance.transfer_bytes[0, 1:-1] / 4)
    assert "nobody measured what zstd leaves" in found.notes[0]


@pytest.mark.exhaustive(sample=2)
@pytest.mark.parametrize(
    ("node", "complaint"),
    [
        (NodeEntry("n", 4), "names no board"),
        (NodeEntry("n", 4, board="pi9"), "'pi9' is not known"),
        (NodeEntry("n", 4, board="pi5"), "no source is known"),
        (NodeEntry("n", 4, board="pi4", threads=4), "1 thread at most"),
        (NodeEntry("n", 4, board="pi4", clock_khz=100), "does not run below"),
        (NodeEntry("n", 4, board="no/such.toml"), "no/such.toml"),
    ],
)
def test_a_node_of_which_nobody_knows_how_fast_it_is_is_named(bundle, node, complaint):
    with pytest.raises(InvalidInput, match=complaint) as refused:
        problem(bundle, EMULATED, node)
    assert "node n" in str(refused.value)


def test_measurements_of_another_bundle_are_refused(bundle, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text(measured(bundle, "pi", lambda cut: 1.0 * cut).replace(bundle.digest, "0" * 64))

    with pytest.raises(InvalidInput, match="none is of bundle"):
        measured_devices([str(path)], bundle.manifest, bundle.digest)


def test_a_plan_becomes_a_document_that_names_operators_clocks_and_kinds(bundle):
    small = NodeEntry("em", 3.4, board="emulated-pi4", clock_khz=KHZ), NodeEntry("pi", 3.4, board="pi4")
    found = problem(bundle, *small)
    plan = best(found.instance, Objective.THROUGHPUT).plan

    document = document_of(found, plan)

    assert PipelinePlan.from_json(document.to_json()) == document
    assert (document.stages[0].first, document.stages[-1].last) == (0, bundle.manifest.operator_count)
    assert {node.name: node.clock_khz for stage in document.stages for node in stage.nodes} == {
        "em": KHZ,
        "pi": 1_500_000,
    }
    assert set(document.predicted.provenance["bottleneck_s"]) == {Provenance.EMULATED, Provenance.ESTIMATED}


NODES = """
schema = 1
[dispatcher]
[[nodes]]
name = "a"
board = "pi4"
memory_mib = 3.4
[[nodes]]
name = "b"
board = "emulated-pi4"
clock_khz = 600000
memory_mib = 3.4
[[links]]
from = "a"
to = "b"
mbps = 20
[[links]]
from = "dispatcher"
to = "a"
mbps = 50
[[links]]
from = "dispatcher"
to = "b"
mbps = 50
"""


@pytest.mark.exhaustive
def test_the_command_plans_a_bundle_for_each_objective(bundle, tmp_path, capsys):
    nodes = tmp_path / "nodes.toml"
    nodes.write_text(NODES)
    words = ["plan-cluster", "--bundle", str(bundle.folder), "--nodes", str(nodes), "--json", "-"]

    found = {}
    for objective in Objective:
        assert main([*words, "--objective", objective.value, "--floor", "5"]) == 0
        found[objective] = json.loads(capsys.readouterr().out)

    throughput, latency, energy = (found[objective] for objective in Objective)
    assert throughput["bottleneck_s"] <= min(latency["bottleneck_s"], energy["bottleneck_s"])
    assert latency["latency_s"] <= min(throughput["latency_s"], energy["latency_s"])
    assert energy["energy_j"] <= min(throughput["energy_j"], latency["energy_j"])
    assert all(each["proved_optimal"] and set(each["nodes"]) <= {"a", "b"} for each in found.values())
    assert PipelinePlan.from_json(energy["plan"]).predicted.energy_j == energy["energy_j"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "give either"),
        (["--bundle", "BUNDLE"], "--nodes"),
        (["--bundle", "BUNDLE", "--nodes", "NODES", "--model", "published"], "--model published"),
        (["--bundle", "BUNDLE", "--nodes", "NODES", "--replicas", "0"], "--replicas"),
        (["--bundle", "BUNDLE", "--nodes", "NODES", "--objective", "energy"], "--floor"),
        (["--bundle", "BUNDLE", "--nodes", "NODES", "--measurements", "/no/such"], "/no/such"),
        (["INSTANCE", "--model", "full"], "--model full"),
        (["INSTANCE", "--codec", "int8"], "--codec"),
        (["INSTANCE", "--bundle", "BUNDLE"], "give either"),
    ],
)
def test_options_that_contradict_each_other_are_one_line(bundle, tmp_path, capsys, words, named):
    nodes = tmp_path / "nodes.toml"
    nodes.write_text(NODES)
    places = {"BUNDLE": str(bundle.folder), "NODES": str(nodes), "INSTANCE": str(tmp_path / "i.json")}

    assert main(["plan-cluster", *(places.get(word, word) for word in words)]) == 2

    told = capsys.readouterr().err.strip()
    assert named in told
    assert len(told.splitlines()) == 1
