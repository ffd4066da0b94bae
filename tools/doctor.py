"""Looks at this device and explains what keeps it from serving well: software, clocks, meters, TPU, heat, disk, broker and cloud.

Nothing is changed, and the agent may run meanwhile. Exit codes: 0 all is well, 1 warnings, 4 errors, 2 settings that cannot
be used.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.settings import EdgeSettings
from edge.telemetry.wall_clock import WallClock
from protocol import settings as protocol_settings
from tools.doctoring.findings import Finding, Severity, exit_code
from tools.doctoring.services import check_broker, check_cloud, check_time
from tools.doctoring.software import check_software
from tools.doctoring.storage import check_storage
from tools.output import add_json_argument, check_json_target, console, write_json

SUMMARY = "check this device, and explain what is wrong"

INSTALLED = Path("/etc/dynasplit/edge.toml")

_MARKS = {Severity.WELL: "[green]well[/]   ", Severity.WARNING: "[yellow]warning[/]", Severity.ERROR: "[red]error[/]  "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the agent's settings (default: {INSTALLED} where it is there; without any, broker and cloud are not asked)",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    settings = _settings(arguments.config)
    findings = [*_findings(settings)]
    _print(findings)
    write_json(arguments.json, {"findings": [finding.to_json() for finding in findings], "code": exit_code(findings)})
    return exit_code(findings)


def _settings(config: Path | None) -> EdgeSettings | None:
    """The agent's settings; None where nobody named any."""
    path = config or (INSTALLED if INSTALLED.exists() else None)
    return protocol_settings.load(EdgeSettings, toml=path, environment=os.environ) if path else None


def _findings(settings: EdgeSettings | None) -> Iterator[Finding]:
    yield from check_software()
    yield from check_time(WallClock())
    if settings:
        yield from check_storage(settings.data_dir)
        yield from check_broker(settings)
        yield from check_cloud(settings)


def _print(findings: Sequence[Finding]) -> None:
    out = console()
    for finding in findings:
        out.print(f"{_MARKS[finding.severity]} {finding.subject}: {finding.seen}", highlight=False, soft_wrap=True)
        if finding.advice:
            out.print(f"        {finding.advice}", style="dim", highlight=False, soft_wrap=True)
    if not any(finding.subject == "broker" for finding in findings):
        out.print("broker and cloud were not asked: name the agent's settings with --config", style="dim")


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["doctor", *sys.argv[1:]]))
