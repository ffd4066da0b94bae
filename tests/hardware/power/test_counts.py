"""Raw counters of a node, as every process sees them."""

import pytest

from hardware.clock import VirtualClock
from hardware.fakes.nvml import FakeNvml
from hardware.power.counts import Count, NvmlCounts, RaplCounts
from hardware.power.meter import MeterLost
from protocol.errors import NotFound


@pytest.fixture
def tree(tmp_path):
    """A machine with two processors, one of which has a part of its own."""
    for zone, name, energy_uj in (
        ("intel-rapl:0", "package-0", 5),
        ("intel-rapl:0:0", "core", 3),
        ("intel-rapl:1", "package-1", 7),
    ):
        folder = tmp_path / "class/powercap" / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text(f"{energy_uj}\n")
        (folder / "max_energy_range_uj").write_text("1000\n")
    return tmp_path


def test_processors_are_counted_whole(tree):
    assert list(RaplCounts(tree).read()) == [Count(5, 1000), Count(7, 1000)]


def test_a_counter_that_has_gone_is_lost(tree):
    counts = RaplCounts(tree)
    (tree / "class/powercap/intel-rapl:1/energy_uj").unlink()

    with pytest.raises(MeterLost):
        counts.read()


def test_a_machine_without_counters_is_named(tmp_path):
    with pytest.raises(NotFound, match="no processor counters"):
        RaplCounts(tmp_path)


def test_a_counter_goes_on_from_0_past_its_range():
    assert Count(30, 1000).since(990) == 40
    assert Count(990, 1000).since(30) == 960
    assert Count(5).since(10) == -5


def test_two_processes_see_the_same_count_of_a_gpu():
    clock = VirtualClock()
    module = FakeNvml(2.5, clock=clock)
    first = NvmlCounts(nvml=module)
    clock.sleep(10)

    (one,), (other,) = first.read(), NvmlCounts(nvml=module).read()
    assert one == other == Count(1_025_000_000)


def test_a_gpu_that_is_lost_comes_back():
    module = FakeNvml(2.5, clock=VirtualClock())
    counts = NvmlCounts(nvml=module)
    module.lost = True
    with pytest.raises(MeterLost):
        counts.read()
    module.lost = False

    assert counts.read()


def test_a_gpu_without_a_count_is_named():
    with pytest.raises(NotFound, match="keeps no count"):
        NvmlCounts(nvml=FakeNvml(2.5, clock=VirtualClock(), counts=False))
