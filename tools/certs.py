"""Makes an authority of your own, and the certificates of backend and broker that it signs, for TLS without a public name.

The folder gets ca.pem, backend.pem, backend.key, broker.pem and broker.key as the stack mounts them. Devices get ca.pem when
they enrol (the backend's setting device_ca). ca.key signs certificates: it belongs on no server; keep it where the operator works.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

from protocol.errors import InvalidInput
from tools.certificates.authority import MOST_DAYS, check_host
from tools.certificates.folder import SERVERS, CertificateFolder, Server
from tools.output import add_json_argument, check_json_target, console, write_json

SUMMARY = "make an authority and the certificates of backend and broker"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, default=Path("certs"), metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name or an address by which devices reach backend and broker; may be repeated",
    )
    parser.add_argument("--days", type=int, default=MOST_DAYS, metavar="N", help="how long, at most and by default 825")
    parser.add_argument("--renew", action="store_true", help="make the servers' certificates anew, with new keys")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    hosts = [check_host(host) for host in arguments.host]
    folder: Path = arguments.output
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"folder {folder} cannot be made: {error.strerror}") from error
    certificates = CertificateFolder(folder, now=datetime.datetime.now(datetime.UTC))
    authority, made = certificates.authority()
    days, renew = arguments.days, arguments.renew
    servers = [certificates.server(name, hosts, authority=authority, days=days, renew=renew) for name in SERVERS]
    _check_named(servers, hosts)
    out = console()
    out.print(f"{folder / 'ca.pem'}: {'made' if made else 'left as it is'}, good until {authority.ends_at:%Y-%m-%d}")
    for server in servers:
        out.print(_line(folder, server), highlight=False, soft_wrap=True)
    write_json(arguments.json, {"folder": str(folder), "servers": [_facts(server) for server in servers]})
    return 0


def _check_named(servers: list[Server], hosts: list[str]) -> None:
    for server in servers:
        if missing := [host for host in hosts if host not in server.hosts]:
            raise InvalidInput(
                f"the {server.name}'s certificate is there already, and not for {', '.join(missing)}: --renew makes it anew"
            )


def _line(folder: Path, server: Server) -> str:
    word = "made" if server.made else "left as it is (--renew makes it anew)"
    path = folder / f"{server.name}.pem"
    return f"{path}: {word}, for {', '.join(server.hosts)}, good until {server.ends_at:%Y-%m-%d}"


def _facts(server: Server) -> dict[str, object]:
    return {
        "name": server.name,
        "hosts": list(server.hosts),
        "ends_at": server.ends_at.timestamp(),
        "made": server.made,
    }


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["certs", *sys.argv[1:]]))
