"""Has a device do something beside serving, and shows how far it is.

A device that is off finds its jobs when it comes back. With --wait, and of `watch`, the exit code tells how it went: 0 for
SUCCEEDED, else 1.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.bundle import Bundle
from protocol.job_orders import ProfileOrder
from protocol.jobs import JobKind, JobState
from tools.backend import Backend
from tools.output import check_json_target, console, write_json
from tools.profile_device import DEFAULT_CODECS, DEFAULT_REPEATS, parse_codecs
from tools.progress import progress
from tools.watching import Watch, check_wait
from tools.words import add_word

SUMMARY = "have a device profile a network, look at its table again, or restart"

_TIMEOUT_S = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    profile = _word(words, "profile", "measure a network, in each configuration that tells about the others")
    profile.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by dynasplit cut")
    profile.add_argument("--codecs", default=",".join(DEFAULT_CODECS), help="wire codecs (default: %(default)s)")
    profile.add_argument("--repeats", type=int, default=DEFAULT_REPEATS, metavar="N", help="requests per configuration")
    push = _word(words, "push", "look at a network's table again, whatever it thought of it before")
    push.add_argument("network", metavar="NETWORK")
    restart = _word(words, "restart", "end the agent, for its supervisor to start it again")
    for each in (profile, push, restart):
        each.add_argument(
            "--timeout", type=float, default=_TIMEOUT_S, metavar="SECONDS", help="from its start on the device"
        )
        each.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="for its end; 0: don't wait")
    _word(words, "list", "show a device's jobs, newest first")
    watching = _word(words, "watch", "show how far a job is until it has ended")
    watching.add_argument("id", metavar="ID")
    watching.add_argument(
        "--wait", type=float, default=math.inf, metavar="SECONDS", help="for its end (default: as long as it takes)"
    )
    cancel = _word(words, "cancel", "say that a job is not wanted any more")
    cancel.add_argument("id", metavar="ID")


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    check_wait(getattr(arguments, "wait", 0.0))
    backend = Backend(arguments.backend, token=arguments.token)
    others: dict[str, Callable[[Backend, argparse.Namespace], int]] = {
        "list": _list,
        "watch": _watch,
        "cancel": _cancel,
    }
    return others.get(arguments.word, _give)(backend, arguments)


def _word(
    words: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    word = add_word(words, name, summary)
    word.add_argument("device", metavar="DEVICE")
    return word


def _give(backend: Backend, arguments: argparse.Namespace) -> int:
    kind = JobKind(arguments.word)
    parameters = _parameters(backend, arguments)
    job = backend.add_job(arguments.device, kind, parameters, timeout_s=arguments.timeout)
    out = console()
    out.print(f"job {job['id']} for {arguments.device}: {kind.value}", highlight=False)
    if not job["published"]:
        out.print("the backend cannot reach the broker; the device is told later")
    if job["run"]:
        out.print(f"its measurements are tagged {job['run']}", highlight=False)
    if arguments.wait > 0:
        return _watched(backend, job, arguments)
    write_json(arguments.json, job)
    return 0


def _parameters(backend: Backend, arguments: argparse.Namespace) -> Mapping[str, Any]:
    if arguments.word == JobKind.PROFILE.value:
        bundle = Bundle.open(arguments.bundle)
        order = ProfileOrder(bundle.manifest.network, bundle.digest, parse_codecs(arguments.codecs), arguments.repeats)
        ProfileOrder.from_json(order.to_json())  # refused here rather than after the upload
        backend.upload_bundle(bundle)
        return order.to_json()
    return {"network": arguments.network} if arguments.word == JobKind.PUSH.value else {}


def _watch(backend: Backend, arguments: argparse.Namespace) -> int:
    return _watched(backend, backend.job(arguments.device, arguments.id), arguments)


def _watched(backend: Backend, job: Mapping[str, Any], arguments: argparse.Namespace) -> int:
    ended = wait_for(backend, job, timeout_s=arguments.wait)
    console().print(_line(ended), highlight=False)
    write_json(arguments.json, ended)
    return 0 if ended["state"] == JobState.SUCCEEDED.value else 1


def wait_for(backend: Backend, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """The job once it has ended, shown step by step; ServiceMissing when it has not in time."""
    watch = Watch(timeout_s)
    found = _polled(watch, backend, job, until=lambda now: int(now["total"]) > 0)
    if JobState(found["state"]).final:
        return found
    with progress(f"{found['kind']} on {found['device']}", found["total"]) as step:
        shown = 0
        while not JobState(found["state"]).final:
            step(found["done"] - shown)
            shown = found["done"]
            found = _polled(watch, backend, job, until=_beyond(shown))
    return found


def _beyond(done: int) -> Callable[[dict[str, Any]], bool]:
    return lambda job: int(job["done"]) > done


def _polled(
    watch: Watch, backend: Backend, job: Mapping[str, Any], *, until: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The job as soon as it has come so far, or has ended; ServiceMissing when it has not by then."""
    device, job_id = str(job["device"]), str(job["id"])
    return watch.until(
        lambda found: JobState(found["state"]).final or until(found),
        lambda: backend.job(device, job_id),
        unsettled=lambda found: f"job {job_id} of {device} has not ended within the time to wait: {_line(found)}",
    )


def _list(backend: Backend, arguments: argparse.Namespace) -> int:
    jobs = backend.jobs(arguments.device)
    out = console()
    for job in jobs:
        out.print(f"{job['id']}  {job['kind']:<8} {_line(job)}", highlight=False)
    if not jobs:
        out.print(f"{arguments.device} has no jobs")
    write_json(arguments.json, jobs)
    return 0


def _cancel(backend: Backend, arguments: argparse.Namespace) -> int:
    job = backend.cancel_job(arguments.device, arguments.id)
    console().print(f"{arguments.device} is told to end job {job['id']} ({job['state']})", highlight=False)
    write_json(arguments.json, job)
    return 0


def _line(job: Mapping[str, Any]) -> str:
    steps = f" {job['done']} of {job['total']}" if job["total"] else ""
    wanted = ", to be canceled" if job["cancel"] and not JobState(job["state"]).final else ""
    return f"{job['state']}{steps}{wanted}{': ' + job['reason'] if job['reason'] else ''}"


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["job", *sys.argv[1:]]))
