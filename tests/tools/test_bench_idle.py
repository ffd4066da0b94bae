"""The bench of the idle agent: what is asked of which figures."""

from __future__ import annotations

import pytest

from tools.benches.edge import idle

pytestmark = pytest.mark.system


def test_an_idle_agent_is_measured_with_all_its_processes():
    found = idle.facts(seconds=0.5)
    assert [len(figures["processes"]) >= least for figures, least in zip(found.values(), (2, 3), strict=True)] == [
        True,
        True,
    ]
    assert all(0 < figures["pss_mib"] <= figures["rss_mib"] for figures in found.values())
    assert [target.unit for target in idle.targets(found)] == ["%", "MiB", "MiB"] * 2
    assert {process["name"] for process in found["pi4"]["processes"]} == {"front", "runner", "sampler"}
