"""Who changed what at the backend, latest first: each request that was to change something, with how it ended."""

from __future__ import annotations

import argparse
import datetime
import sys

from protocol.errors import InvalidInput
from tools.backend import Backend
from tools.output import add_json_argument, check_json_target, console, write_json
from tools.tokens import add_backend_token

SUMMARY = "show who changed what at the backend"

_LIMIT, _MOST = 50, 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", required=True, metavar="URL")
    add_backend_token(parser)
    parser.add_argument("--limit", type=int, default=_LIMIT, metavar="N", help="lines, 1000 at most (default: 50)")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    if not 1 <= arguments.limit <= _MOST:
        raise InvalidInput(f"--limit must lie between 1 and {_MOST}, not {arguments.limit}")
    lines = Backend(arguments.backend, token=arguments.token).audit(limit=arguments.limit)
    out = console()
    for line in lines:
        when = datetime.datetime.fromtimestamp(float(line["at"])).astimezone()
        on = f" ({line['on']})" if line["on"] else ""
        told = f"{when:%Y-%m-%d %H:%M:%S}  {line['status']}  {line['who']} from {line['peer']}: {line['what']}{on}"
        out.print(told, highlight=False, markup=False, soft_wrap=True)
    write_json(arguments.json, lines)
    return 0


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["audit", *sys.argv[1:]]))
