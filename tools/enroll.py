"""Makes a device one of the fleet by a one-use code: it fetches all that it needs and writes it where dynasplit-edge reads it.

The operator has a code issued with --issue; on the device, --code turns it into edge.toml.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import secrets
import sys
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from hardware.boards import board_names
from protocol.enrolment import Enrolled
from protocol.errors import InvalidInput, ServiceMissing
from protocol.topics import check_name
from tools.backend import Backend
from tools.output import add_json_argument, check_json_target, check_target, console, write_json, write_text
from tools.tokens import add_backend_token
from tools.web import Web

SUMMARY = "make a device one of the fleet by a one-use code"

_TTL_S = 900.0
_PAUSES_S = (0.5, 2.0)
_CA_FILE = "ca.pem"
_ROOM_BYTES = 64 * 1024
"""More than settings and a few certificates take."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", required=True, metavar="URL", help="as the device reaches it")
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument("--code", help="on the device: the code that the operator was given")
    step.add_argument(
        "--issue", metavar="DEVICE", help="for the operator: have a code issued for a device of this name"
    )
    device = parser.add_argument_group("on the device")
    device.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("edge.toml"),
        metavar="FILE",
        help="settings file (default: %(default)s)",
    )
    device.add_argument("--data-dir", type=Path, default=Path("/var/lib/dynasplit"), metavar="DIR")
    device.add_argument("--board", default="linux", help="the agent's setting 'board' (default: %(default)s)")
    device.add_argument("--ca", type=Path, metavar="PEM", help="the authority that signed the backend's certificate")
    device.add_argument("--force", action="store_true", help="write over a settings file that is there")
    operator = parser.add_argument_group("for the operator")
    add_backend_token(operator)
    operator.add_argument("--ttl", type=float, default=_TTL_S, metavar="SECONDS", help="how long the code is good")
    operator.add_argument("--replace", action="store_true", help="the device is registered already: its old token goes")
    operator.add_argument(
        "--broker-password",
        default="",
        metavar="PASSWORD",
        help="of the device's broker account, where you made it yourself",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    return _issue(arguments) if arguments.issue else _enrol(arguments)


def _issue(arguments: argparse.Namespace) -> int:
    check_name(arguments.issue, what="device")
    asked = {"ttl_s": arguments.ttl, "replace": arguments.replace, "broker_password": arguments.broker_password}
    issued = Backend(arguments.backend, token=arguments.token).issue_code(arguments.issue, **asked)
    until = datetime.datetime.fromtimestamp(float(issued["expires_at"])).astimezone()
    out = console()
    out.print(f"code for {arguments.issue}, good once until {until:%H:%M:%S}; on the device, run:", highlight=False)
    if arguments.json != "-":
        sys.stdout.write(f"dynasplit enroll --backend {arguments.backend} --code {issued['code']}\n")
    write_json(arguments.json, issued, mode=0o600)
    return 0


def _enrol(arguments: argparse.Namespace) -> int:
    """What could keep the file from being written is looked for first: after it, the code is used up."""
    output: Path = arguments.output
    ca_target = output.with_name(_CA_FILE)
    if not arguments.force:
        _check_new(output)
    for target in (output, ca_target):
        check_target(target)
    _check_room(output)
    if arguments.board not in board_names():
        raise InvalidInput(f"--board {arguments.board!r:.60} is not known; choose one of {', '.join(board_names())}")
    web = Web(arguments.backend, name="backend", ca_file=_readable(arguments.ca))
    enrolled = _enrolled(web, arguments.code)
    settings = _settings(enrolled, arguments, ca_file=ca_target.absolute() if enrolled.ca else None)
    if enrolled.ca:
        write_text(ca_target, enrolled.ca)
        _hand_over(ca_target)
    write_text(output, _toml(settings), mode=0o600)
    _hand_over(output)
    write_json(arguments.json, {"device": enrolled.device, "settings_file": str(output)})
    console().print(f"{enrolled.device} is enrolled; start it with: dynasplit-edge --config {output}", highlight=False)
    return 0


def _enrolled(web: Web, code: str) -> Enrolled:
    """The answer may get lost after the code was used up: the same attempt is answered again."""
    order = {"code": code, "attempt": secrets.token_urlsafe(32)}
    for pause_s in _PAUSES_S:
        try:
            return Enrolled.from_json(web.send("POST", "/api/v1/enroll", order))
        except ServiceMissing:
            time.sleep(pause_s)
    return Enrolled.from_json(web.send("POST", "/api/v1/enroll", order))


def _check_new(path: Path) -> None:
    try:
        there = path.exists()
    except PermissionError as error:
        raise InvalidInput(
            f"{path} may not be looked at by this user; run it as root (sudo), or name another file"
        ) from error
    if there:
        raise InvalidInput(f"{path} is there already: this device seems to be enrolled; --force writes over it")


def _check_room(path: Path) -> None:
    """InvalidInput where a disk is full."""
    beside = path.with_name(f".{path.name}.room")
    try:
        write_text(beside, " " * _ROOM_BYTES)
    except InvalidInput as error:
        raise InvalidInput(f"{error}; make room, the code is still good") from error
    finally:
        beside.unlink(missing_ok=True)


def _hand_over(path: Path) -> None:
    """Written by root, the file goes to whom its folder belongs to, as /etc/dynasplit does to the agent's user."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)


def _readable(ca: Path | None) -> Path | None:
    if ca and not ca.is_file():
        raise InvalidInput(f"--ca {ca} is no file")
    return ca


def _settings(enrolled: Enrolled, arguments: argparse.Namespace, *, ca_file: Path | None) -> dict[str, str]:
    """Every setting that the agent cannot do without; its local callers get a token of their own, made here."""
    trusted = ca_file or (arguments.ca.absolute() if arguments.ca else None)
    return {
        "device": enrolled.device,
        "data_dir": str(arguments.data_dir.absolute()),
        "backend_url": arguments.backend,
        "device_token": enrolled.device_token,
        "broker_url": _with_user(enrolled),
        "operator_token": secrets.token_urlsafe(32),
        "operator_public_key": enrolled.operator_public_key,
        "board": arguments.board,
        **({"ca_file": str(trusted)} if trusted else {}),
    }


def _with_user(enrolled: Enrolled) -> str:
    user, password = (urllib.parse.quote(text, safe="") for text in (enrolled.broker_user, enrolled.broker_password))
    scheme, separator, place = enrolled.broker_url.partition("://")
    if not separator:
        raise InvalidInput(f"the backend told a broker address that is none: {enrolled.broker_url!r:.80}")
    return f"{scheme}://{user}:{password}@{place}"


def _toml(settings: Mapping[str, str]) -> str:
    """Strings of JSON are strings of TOML as well, where they are ASCII (https://toml.io/en/v1.0.0#string)."""
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    return "# Written by dynasplit enroll. It holds secrets: keep it to the agent's user.\n" + "".join(lines)


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["enroll", *sys.argv[1:]]))
