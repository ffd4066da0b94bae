"""Energy of requests by the node's counters: shared, never more than was counted, and honest about what is not known."""

import contextlib
import subprocess
import sys
import time

import pytest

from cloud.inference.energy import NodeProfile
from cloud.inference.metered import MeteredNode, open_node
from cloud.settings import MeterKind
from hardware.clock import VirtualClock
from hardware.power.counts import Count, ScriptedCounts
from protocol.configuration import Provenance

PROFILE = NodeProfile("node", busy_watts=40.0, idle_watts=10.0)
WATTS = 25.0


class Node:
    """A node that draws `WATTS`, by a counter that starts again after 100 J."""

    def __init__(self, folder=None, *, clock=None):
        self.clock = clock or VirtualClock()
        self.counts = ScriptedCounts(Count(99_000_000, 100_000_000))
        self.meter = MeteredNode.over(self.counts, PROFILE, folder=folder, clock=self.clock)
        with self.meter.window():
            """From here on the counter is known."""

    def work(self, seconds, *, lost=False):
        self.clock.sleep(seconds)
        now_uj = int(99_000_000 + self.clock() * WATTS * 1e6) % 100_000_000
        self.counts.counts = None if lost else (Count(now_uj, 100_000_000),)


@pytest.fixture
def node():
    return Node()


def test_a_request_alone_gets_all_that_was_counted(node):
    with node.meter.window() as window:
        node.work(0.5)
        spent = window.spent()

    assert spent.node_mj == pytest.approx(12_500)
    assert spent.active_mj == pytest.approx(12_500 - 5_000)
    assert spent.provenance is Provenance.MEASURED


def test_requests_at_once_share_equally_and_together_get_what_was_counted(node):
    with node.meter.window() as first:
        node.work(0.2)
        with node.meter.window() as second:
            node.work(0.2)
            one = first.spent()
            node.work(0.2)
            other = second.spent()

    assert one.node_mj == pytest.approx(5_000 + 2_500)
    assert other.node_mj == pytest.approx(2_500 + 5_000)


def test_what_is_drawn_between_requests_is_nobodys(node):
    node.work(100)
    with node.meter.window() as window:
        node.work(0.1)
        assert window.spent().node_mj == pytest.approx(2_500)


def test_a_request_shorter_than_five_periods_is_an_estimate(node):
    with node.meter.window() as window:
        node.work(0.004)
        spent = window.spent()

    assert spent.node_mj == pytest.approx(100)
    assert spent.provenance is Provenance.ESTIMATED


def test_one_in_which_the_counter_need_not_have_moved_is_told_by_the_profile(node):
    with node.meter.window() as window:
        node.clock.sleep(0.0005)
        spent = window.spent()

    assert spent == PROFILE.spent(spent.node_mj / 40.0)
    assert spent.node_mj == pytest.approx(20)


@pytest.mark.parametrize("absurd", [None, (Count(98_000_000, 0),)])
def test_while_the_counter_says_nothing_that_can_be_the_profile_stands_in(node, absurd):
    with node.meter.window() as window:
        node.work(0.5)
        node.counts.counts = absurd
        spent = window.spent()

    assert spent.node_mj == pytest.approx(20_000)
    assert spent.provenance is Provenance.ESTIMATED


def test_after_a_loss_it_is_measured_again(node):
    with node.meter.window():
        node.work(0.5, lost=True)
    node.work(0.5)
    with node.meter.window():
        node.work(0.1)
    with node.meter.window() as window:
        node.work(0.5)
        spent = window.spent()

    assert spent.node_mj == pytest.approx(12_500)
    assert spent.provenance is Provenance.MEASURED


def test_a_request_that_fails_takes_no_further_share(node):
    with pytest.raises(ValueError), node.meter.window():
        raise ValueError("no")
    with node.meter.window() as window:
        node.work(0.1)
        assert window.spent().node_mj == pytest.approx(2_500)


def test_processes_share_what_they_draw_at_once(tmp_path):
    """Two processes' meters over one ledger, here in one process: what they share is the file."""
    clock = VirtualClock()
    first, second = Node(tmp_path, clock=clock), Node(tmp_path, clock=clock)
    second.counts = second.meter._ledger._counts = first.counts

    with first.meter.window() as one, second.meter.window() as other:
        first.work(0.2)
        spent = one.spent().node_mj, other.spent().node_mj

    assert spent == (pytest.approx(2_500), pytest.approx(2_500))


WORKS_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from cloud.inference.energy import NodeProfile
from cloud.inference.metered import MeteredNode
from hardware.power.counts import Count, ScriptedCounts

profile = NodeProfile("node", busy_watts=40.0, idle_watts=10.0)
node = MeteredNode.over(ScriptedCounts(Count(0)), profile, folder=Path(sys.argv[1]), clock=time.monotonic)
with node.window():
    print("works", flush=True)
    sys.stdin.read()
"""


def test_a_process_that_was_killed_takes_no_share_once_another_comes(tmp_path):
    command = [sys.executable, "-c", WORKS_UNTIL_KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout.readline() == "works\n"
        killed.kill()

    node = Node(tmp_path, clock=_Later())
    with node.meter.window() as window:
        node.work(0.1)
        assert window.spent().node_mj == pytest.approx(2_500, rel=1e-3)


def test_a_process_that_was_killed_takes_no_share_from_those_that_were_there(tmp_path):
    node = Node(tmp_path, clock=_Later())
    command = [sys.executable, "-c", WORKS_UNTIL_KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout.readline() == "works\n"
        killed.kill()

    node.work(1.0)
    with node.meter.window() as window:
        node.work(0.1)
        assert window.spent().node_mj == pytest.approx(2_500, rel=1e-3)


class _Later(VirtualClock):
    """Begins after the clock of the machine, which the other process read."""

    def __call__(self):
        return super().__call__() + 1e7


@pytest.mark.parametrize("kind", [MeterKind.PROFILE, MeterKind.AUTO])
def test_without_counters_the_profile_is_shared_as_well(kind, monkeypatch, tmp_path):
    monkeypatch.setattr("cloud.inference.metered.RaplCounts.__init__.__defaults__", (tmp_path,))
    began_s = time.monotonic()
    node, beside = (open_node(kind, PROFILE, folder=tmp_path) for _ in range(2))

    with contextlib.ExitStack() as stack:
        windows = [stack.enter_context(each.window()) for each in (node, node, beside, beside)]
        while time.monotonic() < began_s + 0.01:
            """Work."""
        told = [window.spent() for window in windows]

    most_mj = PROFILE.busy_watts * (time.monotonic() - began_s) * 1e3
    assert 0 < sum(each.node_mj for each in told) <= most_mj
    assert {each.provenance for each in told} == {Provenance.ESTIMATED}
    assert told[0].active_mj == pytest.approx(told[0].node_mj * 0.75)
