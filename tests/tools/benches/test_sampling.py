"""The bench of the power sampler."""

from __future__ import annotations

import pytest

from tools.benches.edge.sampling import facts, targets
from tools.benches.edge.wave_meter import HIGH_W, LOW_W, STEP_S, WaveMeter, joules_at


@pytest.mark.parametrize(("at_s", "watts"), [(0.1, LOW_W), (STEP_S + 0.1, HIGH_W), (2 * STEP_S + 0.1, LOW_W)])
def test_the_waves_power_is_what_its_joules_rise_by(at_s, watts):
    assert WaveMeter(counts_joules=False, clock=lambda: at_s).read().watts == watts
    assert joules_at(at_s + 0.01) - joules_at(at_s) == pytest.approx(watts * 0.01)


@pytest.mark.system
def test_the_figures_are_there_with_a_target_each():
    found = facts(seconds=0.5)

    assert found["idle"]["rss_mib"] > 1
    assert {kind: loaded["windows"] > 0 for kind, loaded in found["loaded"].items()} == {"counter": True, "watts": True}
    assert len({target.name for target in targets(found)}) == 6
