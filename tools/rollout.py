"""Sends a table to many devices stage by stage, and stops at the first that rejects it or goes back from it.

The table is signed here for each device; the backend's ingest moves the rollout on, also while nobody watches. The exit
code of `start` and `show --watch` is 0 for DONE, else 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloud.store.rollouts.values import Plan, RolloutState
from protocol.errors import InvalidInput
from protocol.labels import parse_labels
from protocol.messages import TableState
from tools import keys
from tools.backend import Backend
from tools.fleet import devices_with, line_of, signed_for, watch
from tools.output import check_json_target, console, write_json
from tools.push import read_table
from tools.words import add_word

SUMMARY = "send a table to many devices, stage by stage"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    _add_start(add_word(words, "start", "sign a table for many devices and send it stage by stage"))
    listing = add_word(words, "list", "show rollouts, newest first")
    listing.add_argument("--network", default="", help="only those of this network")
    showing = add_word(words, "show", "show one rollout and its devices")
    showing.add_argument("id", metavar="ID")
    showing.add_argument("--watch", action="store_true", help="until its end")
    canceling = add_word(words, "cancel", "give a rollout up; devices keep what they have")
    canceling.add_argument("id", metavar="ID")


def _add_start(start: argparse.ArgumentParser) -> None:
    start.add_argument("table", type=Path, metavar="TABLE.json", help="a table for any of them: they must be alike")
    start.add_argument("--key", type=Path, required=True, metavar="FILE", help="private key made by dynasplit keys")
    start.add_argument("--to", action="append", default=[], metavar="LABEL=VALUE", help="devices with all these labels")
    start.add_argument("--devices", default="", metavar="NAME,…", help="these devices")
    start.add_argument(
        "--canary",
        type=float,
        default=Plan.canary_share,
        metavar="SHARE",
        help="who comes first (default: %(default)s)",
    )
    start.add_argument(
        "--growth",
        type=float,
        metavar="FACTOR",
        help="each further stage takes so many times those before it (default: all)",
    )
    start.add_argument(
        "--soak",
        type=float,
        default=Plan.soak_s,
        metavar="SECONDS",
        help="how long a stage is watched (default: %(default)g)",
    )
    start.add_argument(
        "--patience", type=float, default=Plan.patience_s, metavar="SECONDS",
        help="how long a device may be off, or silent (default: %(default)g)",
    )  # fmt: skip
    start.add_argument(
        "--stop-on",
        default=",".join(Plan.stop_on),
        metavar="STATE,…",
        help="reports that stop it (default: %(default)s)",
    )
    start.add_argument("--no-wait", action="store_true", help="don't watch it")


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    backend = Backend(arguments.backend, token=arguments.token)
    act: dict[str, Callable[[Backend, argparse.Namespace], int]] = {
        "start": _start,
        "list": _list,
        "show": _show,
        "cancel": _cancel,
    }
    return act[arguments.word](backend, arguments)


def _start(backend: Backend, arguments: argparse.Namespace) -> int:
    table, private_key = read_table(arguments.table), keys.load(arguments.key)
    tables = signed_for(backend, table, _devices(backend, arguments), private_key)
    stop_on = [word for word in arguments.stop_on.split(",") if word]
    if unknown := [word for word in stop_on if word not in (TableState.REJECTED, TableState.ROLLED_BACK)]:
        raise InvalidInput(f"--stop-on takes rejected and rolled_back, not {unknown[0]!r:.40}")
    rollout = backend.start_rollout(
        table.network,
        tables,
        canary_share=arguments.canary,
        growth=arguments.growth,
        soak_s=arguments.soak,
        patience_s=arguments.patience,
        stop_on=stop_on,
    )
    if not arguments.no_wait:
        return _ended(watch(backend, rollout), arguments)
    console().print(line_of(rollout), highlight=False, soft_wrap=True)
    write_json(arguments.json, rollout)
    return 0


def _devices(backend: Backend, arguments: argparse.Namespace) -> list[str]:
    named = [name for name in arguments.devices.split(",") if name]
    if bool(named) == bool(arguments.to):
        raise InvalidInput("say who gets the table: either --to LABEL=VALUE, or --devices NAME,…")
    return named or devices_with(backend, parse_labels(arguments.to))


def _ended(rollout: dict[str, Any], arguments: argparse.Namespace) -> int:
    write_json(arguments.json, rollout)
    return 0 if rollout["state"] == RolloutState.DONE.value else 1


def _list(backend: Backend, arguments: argparse.Namespace) -> int:
    rollouts = backend.rollouts(arguments.network)
    for rollout in rollouts:
        console().print(line_of(rollout), highlight=False, soft_wrap=True)
    if not rollouts:
        console().print("there are no rollouts")
    write_json(arguments.json, rollouts)
    return 0


def _show(backend: Backend, arguments: argparse.Namespace) -> int:
    rollout, out = backend.rollout(arguments.id), console()
    if arguments.watch:
        return _ended(watch(backend, rollout), arguments)
    out.print(line_of(rollout), highlight=False, soft_wrap=True)
    for member in rollout["members"]:
        stage = f"stage {member['stage']}" if member["stage"] else ""
        out.print(
            f"  {member['device']:<24} {member['state']:<12} {stage:<8} {member['reason']}",
            highlight=False,
            soft_wrap=True,
        )
    write_json(arguments.json, rollout)
    return 0


def _cancel(backend: Backend, arguments: argparse.Namespace) -> int:
    rollout = backend.cancel_rollout(arguments.id)
    console().print(line_of(rollout), highlight=False, soft_wrap=True)
    write_json(arguments.json, rollout)
    return 0


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["rollout", *sys.argv[1:]]))
