"""Looks at this device and explains what keeps it from serving well: software, clocks, meters, TPU, heat, disk, broker and cloud.

Nothing is changed, and the agent may run meanwhile. Run it as the agent's user, whose rights it tells. Exit codes: 0 all is
well, 1 warnings, 4 errors.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.markup import escape

from edge.settings import EdgeSettings
from edge.telemetry.wall_clock import WallClock
from hardware.sysfs import SYSFS
from protocol import settings as protocol_settings
from protocol.errors import DynaSplitError
from tools.doctoring.agent import check_agent, runs
from tools.doctoring.authority import check_authority
from tools.doctoring.clocks import check_clocks
from tools.doctoring.device import Device
from tools.doctoring.edge_tpu import check_edge_tpu
from tools.doctoring.findings import Finding, Severity, error, exit_code
from tools.doctoring.guarding import guarded
from tools.doctoring.heat import check_heat
from tools.doctoring.power import check_power
from tools.doctoring.secrets_kept import check_secrets
from tools.doctoring.service_unit import check_service
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
        help=f"the agent's settings (default: {INSTALLED} where it is there; without any, the machine alone is looked at)",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    findings = [*examined(arguments.config or installed(INSTALLED))]
    _print(findings)
    write_json(arguments.json, {"findings": [finding.to_json() for finding in findings], "code": exit_code(findings)})
    return exit_code(findings)


def installed(path: Path) -> Path | None:
    """The settings of an installed agent, also where this user may not look at them: loading them says so then."""
    try:
        path.stat()
    except PermissionError:
        return path
    except OSError:
        return None
    return path


def examined(config: Path | None, *, sysfs: Path = SYSFS, root: Path = Path("/")) -> Iterator[Finding]:
    """All findings, in the order in which they are worth reading. `sysfs` counts where no settings name another; `root` is that of
    the file system with systemd's folders.
    """
    yield from guarded("software", check_software)
    yield from guarded("time", lambda: check_time(WallClock()))
    settings = None
    if config:
        try:
            settings = protocol_settings.load(EdgeSettings, toml=config, environment=os.environ)
        except DynaSplitError as failure:
            yield error("settings", str(failure), f"correct {config}, or run as the user that may read it")
    device = Device.of(settings, sys=sysfs)
    agent_runs = settings is not None and runs(settings)
    yield from _of_machine(device, agent_runs=agent_runs)
    if settings and config:
        yield from _of_agent(settings, config, root)


def _of_machine(device: Device, *, agent_runs: bool) -> Iterator[Finding]:
    yield from guarded("clock", lambda: check_clocks(device, agent_runs=agent_runs))
    yield from guarded("power", lambda: check_power(device))
    yield from guarded("heat", lambda: check_heat(device))
    yield from guarded("Edge TPU", lambda: check_edge_tpu(device, agent_runs=agent_runs))


def _of_agent(settings: EdgeSettings, config: Path, root: Path) -> Iterator[Finding]:
    yield from guarded("disk", lambda: check_storage(settings.data_dir))
    yield from guarded("secrets", lambda: check_secrets(config))
    yield from guarded("service", lambda: check_service(root))
    yield from guarded("agent", lambda: check_agent(settings))
    if ca_file := settings.ca_file:
        yield from guarded("ca_file", lambda: check_authority(ca_file))
    yield from guarded("broker", lambda: check_broker(settings))
    yield from guarded("cloud", lambda: check_cloud(settings))


def _print(findings: Sequence[Finding]) -> None:
    out = console()
    for finding in findings:
        seen, advice = escape(finding.seen), escape(finding.advice)
        out.print(f"{_MARKS[finding.severity]} {finding.subject}: {seen}", highlight=False, soft_wrap=True)
        if advice:
            out.print(f"        {advice}", style="dim", highlight=False, soft_wrap=True)
    if not any(finding.subject == "broker" for finding in findings):
        out.print("agent, broker and cloud were not asked: name the agent's settings with --config", style="dim")


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["doctor", *sys.argv[1:]]))
