"""Tables in the backend: has them computed from stored measurements, tells who uses which, and deletes drafts."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cloud.store.computations.port import ComputationState
from tools.backend import Backend
from tools.output import check_json_target, check_target, console, write_json, write_text
from tools.watching import Watch, check_wait
from tools.words import add_word

SUMMARY = "compute tables in the backend, and see who uses which"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    _add_compute(add_word(words, "compute", "have a table composed from what a device measured"))
    history = add_word(words, "history", "show the tables that a device was ever to use, newest first")
    history.add_argument("device", metavar="DEVICE")
    history.add_argument("network", metavar="NETWORK")
    add_word(words, "drafts", "show the tables that came in unsigned, latest first; signing one leaves it here")
    delete = add_word(words, "delete", "delete a draft that no device shall use")
    delete.add_argument("digest", metavar="DIGEST")
    who = add_word(words, "who", "show which device uses which table of a network")
    who.add_argument("network", metavar="NETWORK")


def _add_compute(compute: argparse.ArgumentParser) -> None:
    compute.add_argument("network", metavar="NETWORK")
    compute.add_argument("--device", required=True, metavar="NAME", help="whose measurements")
    compute.add_argument("--bundle", default="", metavar="DIGEST", help="measured with this one (default: the newest)")
    compute.add_argument("--run", dest="tag", default="", metavar="TAG", help="only measurements with this tag: job-ID")
    compute.add_argument("--partial", action="store_true", help="leave out what the measurements do not cover")
    compute.add_argument("--skip-bad", action="store_true", help="leave out measurements that cannot be")
    compute.add_argument("--trust-all", action="store_true", help="use measurements that contradict the rest as well")
    compute.add_argument("-o", "--output", type=Path, metavar="TABLE.json", help="where the draft goes, to be pushed")
    compute.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="for the table (default: 300)")


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    check_wait(getattr(arguments, "wait", 0.0))
    backend = Backend(arguments.backend, token=arguments.token)
    act: dict[str, Callable[[Backend, argparse.Namespace], int]] = {
        "compute": _compute,
        "history": _history,
        "drafts": _drafts,
        "delete": _delete,
        "who": _who,
    }
    return act[arguments.word](backend, arguments)


def _compute(backend: Backend, arguments: argparse.Namespace) -> int:
    if arguments.output:
        check_target(arguments.output)
    options = {name: getattr(arguments, name) for name in ("bundle", "partial", "skip_bad", "trust_all")}
    asked = backend.compute_table(arguments.network, arguments.device, run=arguments.tag, **options)
    found = _ended(backend, asked, timeout_s=arguments.wait)
    out = console()
    if found["state"] == ComputationState.FAILED.value:
        out.print(f"no table: {found['reason']}", highlight=False, soft_wrap=True)
        write_json(arguments.json, found)
        return 1
    facts, digest = found["facts"], found["drafts"][arguments.device]
    out.print(
        f"draft {digest:.12} of {arguments.network} for {arguments.device}: {facts['rows']} rows from "
        f"{facts['measurements']} measurements, {facts['suspects']} of which contradict the rest",
        highlight=False,
        soft_wrap=True,
    )
    if arguments.output:
        write_text(arguments.output, json.dumps(backend.draft(digest).to_json(), indent=2) + "\n")
    write_json(arguments.json, found)
    return 0


def _ended(backend: Backend, asked: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    return Watch(timeout_s).until(
        lambda found: ComputationState(found["state"]).final,
        lambda: backend.computation(str(asked["id"])),
        unsettled=lambda found: (
            f"computation {found['id']} is {found['state']} after {timeout_s:g} s: dynasplit-ingest does it; does one run?"
        ),
    )


def _history(backend: Backend, arguments: argparse.Namespace) -> int:
    history, out = backend.history(arguments.device, arguments.network), console()
    for each in history:
        out.print(
            f"version {each['version']:<5} {each['digest']:.12}  bundle {each['bundle']:.12}  {each['rows']} rows  "
            f"{_moment(each['set_at'])}",
            highlight=False,
            soft_wrap=True,
        )
    if not history:
        out.print(f"{arguments.device} never had a table of {arguments.network}")
    write_json(arguments.json, history)
    return 0


def _drafts(backend: Backend, arguments: argparse.Namespace) -> int:
    drafts, out = list(backend.drafts()), console()
    for each in drafts:
        out.print(
            f"{each['digest']}  {each['network']} on {each['device']}  bundle {each['bundle']:.12}  {each['rows']} rows  "
            f"{_moment(each['added_at'])}",
            highlight=False,
            soft_wrap=True,
        )
    if not drafts:
        out.print("there are no drafts")
    write_json(arguments.json, drafts)
    return 0


def _delete(backend: Backend, arguments: argparse.Namespace) -> int:
    backend.remove_draft(arguments.digest)
    console().print(f"deleted draft {arguments.digest:.12}", highlight=False)
    write_json(arguments.json, {"deleted": arguments.digest})
    return 0


def _who(backend: Backend, arguments: argparse.Namespace) -> int:
    standings, out = backend.standings(arguments.network), console()
    for each in standings:
        desired, reported = each["desired"], each["reported"]
        shall = _version(desired) if desired else "no table"
        does = f"{reported['state']} version {reported['version']}" if reported else "said nothing"
        out.print(f"{each['device']:<24} shall use {shall}; {does}", highlight=False, soft_wrap=True)
    if not standings:
        out.print(f"no device has a table of {arguments.network}")
    write_json(arguments.json, standings)
    return 0


def _version(desired: Mapping[str, Any]) -> str:
    """By its digest, as push and history tell it, and that of what it says, which is the same on all devices that got it."""
    return f"version {desired['version']} ({desired['digest']:.12}, content {desired['content_digest']:.12})"


def _moment(at: float | None) -> str:
    return "" if at is None else f"{datetime.datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S %z}"


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["table", *sys.argv[1:]]))
