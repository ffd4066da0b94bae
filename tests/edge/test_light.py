"""What the agent's processes leave unloaded until it is needed: an idle device has better uses for its memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "ai_edge_litert",
    "tensorflow",
    "keras",
    "matplotlib",
    "optuna",
    "sqlalchemy",
    "scipy",
    "sklearn",
    "PIL",
    "psutil",
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("module", ["edge.process", "edge.runners.process", "edge.metering.sampler"])
def test_nothing_heavy_is_imported_at_the_start(module):
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("module", ["edge.runners.child", "edge.metering.sampler_process"])
def test_a_child_that_has_nothing_to_do_yet_has_not_even_loaded_numpy(module):
    code = f"import sys, {module}; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
