"""The broker of the demo: amqtt in a process of its own, on loopback, with the users and rights that DynaSplit needs.

A device may write and read what `protocol.topics` allows it; the cloud may do everything below `dynasplit/v1`. Production uses
Mosquitto with the same rights.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.errors import BrokerError
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from protocol import topics
from protocol.errors import InvalidInput

CLOUD_USER = "cloud"


def write_password_file(path: Path, passwords: Mapping[str, str]) -> None:
    """`user:hash` lines as amqtt reads them, mode 0600."""
    hasher = PasswordHash((Argon2Hasher(),))
    path.touch(mode=0o600)
    path.write_text("".join(f"{user}:{hasher.hash(password)}\n" for user, password in passwords.items()))


def configuration(port: int, password_file: Path, devices: list[str]) -> BrokerConfig:
    """amqtt's configuration: one loopback listener, users from a file, rights per user."""
    everything = [f"{topics.ROOT}/#"]
    writes = {device: list(topics.written_by(device)) for device in devices} | {CLOUD_USER: everything}
    reads = {device: list(topics.read_by(device)) for device in devices} | {CLOUD_USER: everything}
    return BrokerConfig(
        listeners={"default": ListenerConfig(bind=f"127.0.0.1:{port}")},
        plugins={
            "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(password_file)},
            "amqtt.plugins.topic_checking.TopicAccessControlListPlugin": {"publish_acl": writes, "acl": reads},
        },
    )


async def serve(config: BrokerConfig) -> None:
    """Runs the broker until SIGTERM or SIGINT. Raises InvalidInput when it cannot listen."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    broker = Broker(config)
    try:
        await broker.start()
    except (BrokerError, OSError) as error:
        raise InvalidInput(f"broker cannot listen on {config.listeners['default'].bind}: {error}") from error
    await stopping.wait()
    await broker.shutdown()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--device", action="append", default=[], help="a device's user name; may be repeated")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(configuration(arguments.port, arguments.password_file, arguments.device)))
    except InvalidInput as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
