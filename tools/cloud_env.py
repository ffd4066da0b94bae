"""Makes what docker-compose.yml reads: a .env of .env.example with secrets of its own, the operator's key, and certificates.

Run it once, in the repository's folder. A .env that is there is never written over; a key and certificates that are there are used.
"""

from __future__ import annotations

import argparse
import datetime
import math
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from protocol.errors import InvalidInput
from protocol.signing import public_key_of
from tools import keys
from tools.certificates.authority import MOST_DAYS, check_host
from tools.certificates.folder import SERVERS, CertificateFolder
from tools.output import add_json_argument, check_json_target, console, read_text, write_json, write_text

SUMMARY = "make .env, key and certificates for docker compose"

_SECRETS = ("DYNASPLIT_OPERATOR_TOKEN", "DATABASE_PASSWORD", "BROKER_PASSWORD", "INGEST_BROKER_PASSWORD")
_SECRET_BYTES = 32
_DEVICES_PORT = 8883


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="localhost",
        metavar="NAME",
        help="name or address by which devices reach this machine (default: %(default)s, for this machine alone)",
    )
    parser.add_argument(
        "--publish",
        metavar="ADDRESS",
        help="where the ports are open: 127.0.0.1, the default, or 0.0.0.0 for the network",
    )
    parser.add_argument(
        "--busy-watts",
        type=float,
        metavar="W",
        help="what this machine draws while it works (default: as .env.example)",
    )
    parser.add_argument(
        "--key", type=Path, default=Path("operator.key"), metavar="FILE", help="private key, made if it is not there"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="of docker-compose.yml and .env.example (default: here)",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    host = check_host(arguments.host)
    template, target = arguments.directory / ".env.example", arguments.directory / ".env"
    if target.exists():
        raise InvalidInput(
            f"{target} is there already, and its passwords may be in use: change it by hand, or move it away"
        )
    values = _secrets() | _chosen(arguments)
    text = filled(read_text(template, what="the example"), values)
    values = {
        "DYNASPLIT_OPERATOR_PUBLIC_KEY": _public_key(arguments.key),
        "DYNASPLIT_DEVICE_BROKER_URL": _broker_url(host),
    }
    _make_certificates(arguments.directory / "certs", host)
    write_text(target, filled(text, values), mode=0o600)
    write_json(arguments.json, {"env": str(target), "key": str(arguments.key), "host": host})
    console().print(f"made {target}; start with: docker compose up --build --detach", highlight=False, soft_wrap=True)
    return 0


def filled(example: str, values: Mapping[str, str]) -> str:
    """The example with these values; InvalidInput for one that it has no line for."""
    lines = example.splitlines()
    places = {line.partition("=")[0]: at for at, line in enumerate(lines) if not line.startswith("#") and "=" in line}
    for name, value in values.items():
        if name not in places:
            raise InvalidInput(f".env.example has no line {name}=…: take the one of this version")
        lines[places[name]] = f"{name}={value}"
    return "\n".join(lines) + "\n"


def _secrets() -> dict[str, str]:
    return {name: secrets.token_hex(_SECRET_BYTES) for name in _SECRETS}


def _chosen(arguments: argparse.Namespace) -> dict[str, str]:
    """What was given, and has a default in the example."""
    watts: float | None = arguments.busy_watts
    if watts is not None and not 0 < watts < math.inf:
        raise InvalidInput(f"--busy-watts must be above 0 and finite, not {watts}")
    chosen = {} if watts is None else {"DYNASPLIT_NODE_BUSY_WATTS": f"{watts:g}"}
    return chosen | ({"PUBLISH_ADDRESS": check_host(arguments.publish)} if arguments.publish else {})


def _public_key(path: Path) -> str:
    return public_key_of(keys.load(path) if path.exists() else keys.create(path))


def _broker_url(host: str) -> str:
    return f"mqtts://{f'[{host}]' if ':' in host else host}:{_DEVICES_PORT}"


def _make_certificates(folder: Path, host: str) -> None:
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"folder {folder} cannot be made: {error.strerror}") from error
    certificates = CertificateFolder(folder, now=datetime.datetime.now(datetime.UTC))
    authority, _ = certificates.authority()
    for name in SERVERS:
        made = certificates.server(name, [host], authority=authority, days=MOST_DAYS, renew=False)
        if host not in made.hosts:
            raise InvalidInput(
                f"{folder}/{name}.pem is there already, and not for {host}: dynasplit certs --renew --host {host}"
            )


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["cloud-env", *sys.argv[1:]]))
