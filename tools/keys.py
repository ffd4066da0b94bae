"""Makes the operator's key pair: the private half signs tables, the public half is pinned on the devices.

The private key never leaves this machine; nothing in the cloud needs it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from protocol.errors import InvalidInput
from protocol.signing import generate_private_key, public_key_of
from tools.output import add_json_argument, check_json_target, console, read_text, write_json, write_text

SUMMARY = "make the operator's key pair, or show the public half of one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", type=Path, metavar="FILE", help="file of the private key; made if it is not there (mode 0600)"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    path: Path = arguments.path
    made = not path.exists()
    public = public_key_of(create(path) if made else load(path))
    write_json(arguments.json, {"private_key_file": str(path), "public_key": public, "made": made})
    if arguments.json != "-":
        console().print(
            f"{'made' if made else 'found'} private key {path}; its public half, for the devices' settings:"
        )
        sys.stdout.write(f"{public}\n")
    return 0


def create(path: Path) -> str:
    """A new private key, written with mode 0600; InvalidInput when the file exists."""
    if path.exists():
        raise InvalidInput(f"{path} exists; keys are never overwritten, name another file")
    private = generate_private_key()
    write_text(path, private + "\n", mode=0o600)
    return private


def load(path: Path) -> str:
    """The private key in a file."""
    private = read_text(path, what="private key").strip()
    try:
        public_key_of(private)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from error
    return private


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["keys", *sys.argv[1:]]))
