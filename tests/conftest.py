"""What all tests share: the published data, and the rule that nothing is skipped where CI runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reference", type=Path, help="folder of the published data (or DYNASPLIT_REFERENCE)")


def _reference_folder(config: pytest.Config) -> Path | None:
    chosen = config.getoption("--reference") or os.environ.get("DYNASPLIT_REFERENCE")
    return Path(chosen) if chosen else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the published data the tests that need it are deselected, and a line says so."""
    if _reference_folder(config):
        return
    left_out = [item for item in items if item.get_closest_marker("reference")]
    if not left_out:
        return
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        reporter.write_line(
            f"{len(left_out)} tests against the published data are left out: give --reference DIR or DYNASPLIT_REFERENCE "
            "(the authors publish it at github.com/hpc-tuwien/SPLINTER)"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """In CI a skip is a failure: what is not run there is not tested anywhere."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def edgetpu_compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A command that behaves as Coral's edgetpu_compiler does, but copies the network."""
    command = tmp_path_factory.mktemp("compiler") / "edgetpu_compiler"
    command.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -I -S "{Path(__file__).parent / "fakes" / "edgetpu_compiler.py"}" "$@"\n'
    )
    command.chmod(0o755)
    return command


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest) -> Path:
    """The folder of the published data."""
    folder = _reference_folder(request.config)
    assert folder is not None, "tests that need the published data are deselected without it"
    assert (folder / "dynasplit").is_dir(), f"{folder} holds no folder 'dynasplit'"
    return folder
