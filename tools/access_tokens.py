"""Tokens for people and programs that call the backend: each with what it may do, told once, and revoked by its name.

Scopes: `infer` runs networks, `read` looks at everything else, `write` changes what runs (and reads), `admin` does all
of it, and lets others in. Making one takes a token of scope admin, such as the operator's of the backend's settings.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections.abc import Callable
from typing import Any

from protocol.errors import InvalidInput
from protocol.topics import check_name
from tools.backend import Backend
from tools.output import check_json_target, console, write_json
from tools.words import add_word

SUMMARY = "make, list and revoke tokens for the backend"

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    create = add_word(words, "create", "make a token; it is told on stdout, this once")
    create.add_argument("name", metavar="NAME")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=("infer", "read", "write", "admin"),
        help="what it may do; may be repeated",
    )
    create.add_argument("--expires", metavar="AFTER", help="good for so long: 12h, 30d; without it until it is revoked")
    add_word(words, "list", "show all, the revoked ones too")
    revoke = add_word(words, "revoke", "make a token worthless, within ten seconds everywhere")
    revoke.add_argument("name", metavar="NAME")


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    backend = Backend(arguments.backend, token=arguments.token)
    acts: dict[str, Callable[[Backend, argparse.Namespace], None]] = {
        "create": _create,
        "list": _list,
        "revoke": _revoke,
    }
    acts[arguments.word](backend, arguments)
    return 0


def seconds_of(text: str) -> float:
    """A stretch of time such as 90s, 30m, 12h, 30d; InvalidInput for others."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not found or not int(found[1]):
        raise InvalidInput(f"--expires {text!r:.40} must be a number with s, m, h or d, as in 30d")
    return float(int(found[1]) * _UNITS_S[found[2]])


def _create(backend: Backend, arguments: argparse.Namespace) -> None:
    name = check_name(arguments.name, what="token")
    ttl_s = seconds_of(arguments.expires) if arguments.expires else None
    made = backend.create_token(name, scopes=arguments.scope, ttl_s=ttl_s)
    if arguments.json != "-":
        sys.stdout.write(f"{made['token']}\n")
    scopes = ", ".join(made["scopes"])
    console().print(f"token '{name}' may {scopes}; {_until(made)}. It is not told again", highlight=False)
    write_json(arguments.json, made, mode=0o600)


def _list(backend: Backend, arguments: argparse.Namespace) -> None:
    tokens = backend.access_tokens()
    out = console()
    for token in tokens:
        used = f"last used on {token['last_used_on']}" if token["last_used_on"] else "never used"
        state = f"revoked on {_day(token['revoked_at'])}" if token["revoked_at"] is not None else _until(token)
        out.print(f"{token['name']}: {', '.join(token['scopes'])}; {state}; {used}", highlight=False, soft_wrap=True)
    if not tokens:
        out.print("no tokens but the operator's of the settings and the devices'")
    write_json(arguments.json, tokens)


def _revoke(backend: Backend, arguments: argparse.Namespace) -> None:
    backend.revoke_token(arguments.name)
    console().print(f"token '{arguments.name}' is revoked", highlight=False)
    write_json(arguments.json, {"name": arguments.name, "revoked": True})


def _until(token: dict[str, Any]) -> str:
    return "good until revoked" if token["expires_at"] is None else f"good until {_day(token['expires_at'])}"


def _day(at: float) -> str:
    return f"{datetime.datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["token", *sys.argv[1:]]))
