"""Published trials and workloads, good and bad."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest

from planner.searching.campaign import objectives
from protocol.configuration import Account, CloudAccelerator, Configuration, EdgeAccelerator, Provenance
from protocol.errors import InvalidInput
from tools.measurements.published import read_deadlines, read_published

LINES = 4 * 7 * 2 * 2 - 7 * 2 + 7 * 2
"""Of the made-up pool: 14 cloud-only, 84 splits, 14 edge-only."""


def test_a_trial_becomes_a_measurement_with_its_place(make_pool):
    recorded = read_published(make_pool(name="simulation_pool_digits.csv"))

    assert len(recorded.measurements) == len(recorded.where) == LINES
    first = recorded.measurements[0]
    assert recorded.where[0].endswith("simulation_pool_digits.csv:2")
    assert first.configuration == Configuration(0, 600_000)
    assert (first.network, first.repeats, first.throttled) == ("digits", 1000, False)
    assert first.cost.up_bytes == 588 * 1024
    assert first.cost.cloud_node_mj == pytest.approx(170 * 900)
    assert first.cost.cloud_active_mj is None


def test_the_space_is_all_that_could_have_been_measured(make_pool):
    some = read_published(make_pool()).measurements[:0]
    recorded = read_published(make_pool())

    assert some == ()
    assert recorded.space.size == 14 + 3 * 7 * 2 * 2 + 14
    assert {item.configuration for item in recorded.measurements} == set(recorded.space.configurations())
    assert recorded.sampled


def test_the_devices_energy_is_told_apart_and_adds_up_to_what_was_recorded(make_pool):
    recorded = read_published(make_pool())

    for item in recorded.measurements:
        cost = item.cost
        assert cost.wait_mj == pytest.approx(3.0 * (cost.transfer_ms + cost.cloud_ms), rel=1e-3, abs=0.1)
        assert cost.edge_mj == pytest.approx(4.0 * cost.head_ms + 3.0 * (cost.transfer_ms + cost.cloud_ms), rel=1e-12)
        assert cost.provenance["head_mj"] is cost.provenance["wait_mj"] is Provenance.ESTIMATED
        assert cost.provenance["head_ms"] is cost.provenance["cloud_node_mj"] is Provenance.MEASURED


def test_a_few_trials_at_another_clock_do_not_pull_the_powers(make_pool):
    wrong = {number: {"avg energy edge (J)": 40.0} for number in (20, 50, 80)}

    recorded = read_published(make_pool(changes=wrong))

    sound = [item.cost for place, item in enumerate(recorded.measurements) if place + 2 not in wrong]
    assert all(
        cost.wait_mj == pytest.approx(3.0 * (cost.transfer_ms + cost.cloud_ms), rel=0.01, abs=0.1) for cost in sound
    )


@pytest.mark.exhaustive(sample=6)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"latency": -1.0}, "latency must be 0 or more, not -1"),
        ({"avg latency edge (ms)": "nan"}, "avg latency edge (ms) must be a finite number, not nan"),
        ({"avg latency cloud (ms)": "inf"}, "avg latency cloud (ms) must be a finite number, not inf"),
        ({"avg energy edge (J)": -0.1}, "avg energy edge (J) must be 0 or more, not -0.1"),
        ({"energy": "1e300"}, "energy is 1e+300, which is too large to be true"),
        ({"avg energy cloud (J)": ""}, "avg energy cloud (J) must be a number, not ''"),
        ({"edge-accelerator": "npu"}, "edge-accelerator must be one of off, std, max, not 'npu'"),
        ({"server-accelerator": "perhaps"}, "server-accelerator must be True or False, not 'perhaps'"),
        ({"cpu-freq": 1900.0}, "cpu-freq 1900.0 is outside the space: 600 to 1800 MHz in steps of 200"),
        ({"layer": 9.0}, "layer 9 is outside the space: the last one is 4"),
        ({"layer": 1.5}, "layer must be a whole number, not 1.5"),
        ({"layer": 0.0, "edge-accelerator": "std"}, "edge-accelerator std at layer 0 is outside the space"),
        ({"layer": 4.0, "tensor size (KB)": 0.0, "server-accelerator": True}, "server-accelerator True at layer 4"),
        ({"layer": 4.0}, "layer 4 of 4 cannot have sent 400.0 KB"),
        ({"tensor size (KB)": 0.0}, "layer 1 of 4 cannot have sent 0.0 KB"),
        ({"avg latency edge (ms)": 0.0}, "the head of cut 1 cannot have taken 0 ms on the device"),
        ({"avg energy edge (J)": 0.0}, "the head of cut 1 cannot have taken 0 J on the device"),
        ({"avg latency cloud (ms)": 0.0}, "a request that sent 409600 bytes cannot have taken 0 ms in the cloud"),
        ({"latency": 10.0}, "latency 10 contradicts avg latency edge (ms) + avg latency transfer (ms) + avg latency"),
        ({"energy": 0.5}, "energy 0.5 contradicts avg energy edge (J) + avg energy cloud (J), which come to"),
        ({"tensor size (KB)": 40.0}, "tensor size (KB) 40 contradicts the other trials of layer 1, which sent 400"),
        ({"accuracy": 1.5}, "accuracy must lie between 0 and 1, not 1.5"),
    ],
)
def test_a_line_that_cannot_be_is_refused_with_its_place_or_skipped(make_pool, change, reason):
    path = make_pool(changes={17: {"server-accelerator": False} | change})

    with pytest.raises(InvalidInput) as refusal:
        read_published(path)
    recorded = read_published(path, skip_bad=True)

    assert str(refusal.value).startswith(f"{path}:17: ")
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(recorded.measurements) == LINES - 1
    assert f"{path}:17" not in recorded.where
    assert [reason in told for told in recorded.skipped] == [True]


@pytest.mark.parametrize("cut", [10, 3])
def test_a_last_line_that_was_cut_short_is_named(make_pool, cut):
    path = make_pool()
    path.write_text(path.read_text().rstrip()[:-cut])

    with pytest.raises(InvalidInput, match=rf"trials.csv:{LINES + 1}: "):
        read_published(path)

    assert len(read_published(path, skip_bad=True).measurements) == LINES - 1


@pytest.mark.parametrize("line", ['1,"2,3', "x" * 200_000, '"' + "1," * 12 + '1"'])
def test_a_line_of_something_else_spoils_no_other(make_pool, line):
    path = make_pool()
    lines = path.read_text().splitlines()
    path.write_text("\r\n".join([*lines[:40], line, "", *lines[40:]]))

    with pytest.raises(InvalidInput, match=r"trials.csv:41: it "):
        read_published(path)

    recorded = read_published(path, skip_bad=True)
    assert len(recorded.measurements) == LINES
    assert recorded.where[-1] == f"{path}:{LINES + 3}"


@pytest.mark.parametrize(
    ("name", "network", "reason"),
    [
        ("simulation_pool_vit.csv", "resnet50", "holds trials of network vit, as its name says, not of resnet50"),
        ("mine.csv", "vgg16", "the trials' edge-only layer is 4, that of vgg16 is 22: are they of another network?"),
    ],
)
def test_trials_are_not_called_what_they_are_not(make_pool, name, network, reason):
    with pytest.raises(InvalidInput, match=reason):
        read_published(make_pool(name=name), network=network)


def test_files_that_are_no_pool_are_refused(make_pool, tmp_path):
    lacking, empty, bare, binary = (tmp_path / name for name in ("lacking.csv", "empty.csv", "bare.csv", "binary.csv"))
    text = make_pool().read_text()
    lacking.write_text(text.replace("cpu-freq", "clock"))
    empty.write_text("")
    bare.write_text(text.partition("\n")[0] + "\n")
    binary.write_bytes(b"\xff\xfe\x00" * 100)

    for path, reason in (
        (lacking, "lacking.csv:1: the column 'cpu-freq' is missing"),
        (empty, "empty.csv:1: the column"),
        (bare, "bare.csv holds a header, but no published trials"),
        (binary, "binary.csv cannot be read: it is not text"),
        (tmp_path / "gone.csv", "gone.csv cannot be read: No such file"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            read_published(path, skip_bad=True)
        assert reason in str(refusal.value)


def test_where_every_line_is_bad_nothing_is_left(make_pool):
    path = make_pool(changes={number: {"latency": "nan"} for number in range(2, LINES + 2)})

    with pytest.raises(InvalidInput, match=r"no line is left, 112 cannot be; the first: .*csv:2: latency"):
        read_published(path, skip_bad=True)


def test_deadlines_are_those_of_one_network(tmp_path):
    path = tmp_path / "workload.csv"
    path.write_text("Index,Network,Latency\n0,vgg16,98.5\n0,vit,4000\n1,vgg16,1448.25\n")

    assert read_deadlines(path, "vgg16").tolist() == [98.5, 1448.25]
    with pytest.raises(InvalidInput, match="holds no deadlines for network resnet; it has vgg16, vit"):
        read_deadlines(path, "resnet")


@pytest.mark.parametrize("latency", ["soon", "-1", "nan", "inf"])
def test_a_deadline_that_cannot_be_is_named(tmp_path, latency):
    path = tmp_path / "workload.csv"
    path.write_text(f"Index,Network,Latency\n0,vgg16,98.5\n1,vgg16,{latency}\n")

    with pytest.raises(InvalidInput, match=r"workload.csv:3: Latency must be"):
        read_deadlines(path, "vgg16")


@pytest.mark.reference
@pytest.mark.parametrize(("network", "trials", "valid", "recorded"), [("vgg16", 1082, 917, 747), ("vit", 321, 273, 57)])
def test_the_published_pools_are_read_whole(reference, network, trials, valid, recorded):
    pool = read_published(reference / "dynasplit" / f"simulation_pool_{network}.csv")

    configurations = {item.configuration for item in pool.measurements}
    assert (len(pool.measurements), pool.space.size, len(configurations)) == (trials, valid, recorded)
    assert configurations <= set(pool.space.configurations())
    assert {item.network for item in pool.measurements} == {network}


@pytest.mark.reference
def test_the_published_energies_are_kept_to_the_last_digit(reference):
    pool = read_published(reference / "dynasplit" / "simulation_pool_vgg16.csv")

    of_line_2 = objectives(pool.measurements[0], Account.EDGE)
    assert of_line_2 == pytest.approx((428.239975815, 2236.007854890859), rel=1e-13)
    waits = [
        item.cost.wait_mj / (item.cost.transfer_ms + item.cost.cloud_ms)
        for item in pool.measurements
        if item.cost.up_bytes
        and item.configuration.cpu_khz == 1_000_000
        and item.configuration.edge_accelerator is EdgeAccelerator.OFF
        and item.configuration.cloud_accelerator is CloudAccelerator.CPU
    ]
    assert median(waits) == pytest.approx(3.06, abs=0.05), "what the authors' meter saw while the device waited"


@pytest.mark.reference
def test_the_published_workloads_are_read_whole(reference):
    deadlines = read_deadlines(reference / "dynasplit" / "network_latency_10000_samples.csv", "vgg16")

    assert (deadlines.shape, deadlines.dtype) == ((10_000,), np.float64)
    assert deadlines.min() > 0
