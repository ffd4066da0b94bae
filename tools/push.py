"""Signs a table, makes it the desired one of its device, and waits until the device says what it did with it.

With --to it goes to all devices with a label, stage by stage as `dynasplit rollout` sends it. --back signs what a device
had before again, under a newer version.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from cloud.store.rollouts.values import RolloutState
from protocol.documents import parse_object
from protocol.errors import InvalidInput, ServiceMissing
from protocol.labels import parse_labels
from protocol.messages import TableReport, TableState
from protocol.signing import sign
from protocol.table import Table
from tools import keys
from tools.backend import Backend
from tools.fleet import devices_with, signed_for, version_named, watch
from tools.output import add_json_argument, check_json_target, console, read_text, write_json
from tools.tokens import add_backend_token
from tools.watching import check_wait

SUMMARY = "sign a table and push it to its device"

_POLL_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table", type=Path, nargs="?", metavar="TABLE.json", help="a table made by dynasplit optimize or table compute"
    )
    parser.add_argument("--backend", required=True, metavar="URL")
    add_backend_token(parser)
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="private key made by dynasplit keys")
    parser.add_argument(
        "--to",
        action="append",
        default=[],
        metavar="LABEL=VALUE",
        help="to all devices with these labels, which are alike",
    )
    parser.add_argument(
        "--back",
        nargs="?",
        const="",
        metavar="VERSION|DIGEST",
        help="what the device had before; by default just before",
    )
    parser.add_argument("--device", default="", help="whose table goes back")
    parser.add_argument("--network", default="", help="of which network")
    parser.add_argument(
        "--wait",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="for the device's report, with --to until its end; 0: don't wait",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.wait < float("inf"):
        raise InvalidInput(f"--wait must be 0 or more seconds, not {arguments.wait}")
    _check(arguments)
    backend, private_key = Backend(arguments.backend, token=arguments.token), keys.load(arguments.key)
    if arguments.to:
        return _push_to_many(backend, read_table(arguments.table), private_key, arguments)
    pushed = push(backend, _table(backend, arguments), private_key)
    out = console()
    out.print(f"pushed table {pushed.digest:.12} as version {pushed.version} to {pushed.device}")
    report = wait_for_report(backend, pushed, timeout_s=arguments.wait) if arguments.wait > 0 else None
    write_json(
        arguments.json, {"digest": pushed.digest, "version": pushed.version, "report": report and report.to_json()}
    )
    if report is None:
        return 0
    out.print(f"{pushed.device}: {report.state.value}{': ' + report.reason if report.reason else ''}")
    return 0 if report.state is TableState.APPLIED else 1


def _check(arguments: argparse.Namespace) -> None:
    check_json_target(arguments.json)
    check_wait(arguments.wait)
    back = arguments.back is not None
    if back == bool(arguments.table):
        raise InvalidInput("give either a table to push, or --back to go back to an old one")
    if back and not (arguments.device and arguments.network):
        raise InvalidInput("--back needs --device and --network: whose table shall go back?")
    if not back and (arguments.device or arguments.network):
        raise InvalidInput("a table names its device and network; --device and --network are for --back")
    if back and arguments.to:
        raise InvalidInput("--back is for one device; leave --to out")


def _table(backend: Backend, arguments: argparse.Namespace) -> Table:
    if arguments.back is None:
        return read_table(arguments.table)
    return version_named(backend, arguments.device, arguments.network, arguments.back)


def _push_to_many(backend: Backend, table: Table, private_key: str, arguments: argparse.Namespace) -> int:
    devices = devices_with(backend, parse_labels(arguments.to))
    rollout = backend.start_rollout(table.network, signed_for(backend, table, devices, private_key))
    if arguments.wait > 0:
        rollout = watch(backend, rollout)
    write_json(arguments.json, rollout)
    return 0 if arguments.wait <= 0 or rollout["state"] == RolloutState.DONE.value else 1


def read_table(path: Path) -> Table:
    """A table file, checked."""
    content = parse_object(read_text(path, what="table"), what=f"table {path}")
    try:
        return Table.from_json(content)
    except InvalidInput as error:
        raise InvalidInput(
            f"{path} holds no table that can be used ({error}): make it again with dynasplit optimize"
        ) from error


def push(backend: Backend, table: Table, private_key: str) -> Table:
    """Signs under the next version and pushes; the table as it was pushed."""
    if table.device not in backend.registered_devices():
        raise InvalidInput(f"the backend knows no device '{table.device}': is the name right? register it first")
    newest = backend.history(table.device, table.network, limit=1)
    pushed = table.with_version((newest[0]["version"] if newest else 0) + 1)
    backend.push(sign(pushed, private_key))
    return pushed


def wait_for_report(backend: Backend, pushed: Table, *, timeout_s: float) -> TableReport:
    """The device's word on this very table; ServiceMissing when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        _, report = backend.tables(pushed.device, pushed.network)
        if report and report.digest == pushed.digest:
            return report
        time.sleep(_POLL_S)
    raise ServiceMissing(
        f"{pushed.device} has not reported on table {pushed.digest:.12} within {timeout_s:g} s; "
        "it is applied as soon as the device is online"
    )


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["push", *sys.argv[1:]]))
