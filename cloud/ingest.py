"""The ingest process: its settings, its store, its broker."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import uuid
from collections.abc import Sequence

from cloud.broker.publishing import BusPublisher
from cloud.chores import Chore
from cloud.intake.ingest import Ingest
from cloud.rollouts.driving import Driver
from cloud.settings import load_ingest
from cloud.store.sql import SqlStore
from cloud.tables.computing import Computing
from cloud.watching.logs import LogFormat, LogLevel, set_up
from protocol.errors import DynaSplitError
from protocol.mqtt import BrokerAddress, MqttBus

logger = logging.getLogger(__name__)

_BROKER_PATIENCE_S = 1.5
_LOOK_S = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ingest until SIGTERM or SIGINT; exit code 2 for settings that cannot be used."""
    argparse.ArgumentParser(
        prog="dynasplit-ingest",
        description="Writes telemetry from the broker into the store. Settings: DYNASPLIT_BROKER_URL, DYNASPLIT_DATA_DIR "
        "or DYNASPLIT_DATABASE_URL, or a TOML file named by DYNASPLIT_SETTINGS_FILE.",
    ).parse_args(argv)
    try:
        settings = load_ingest(os.environ)
        set_up(LogFormat(settings.log_format), LogLevel(settings.log_level))
        store = SqlStore(settings.database_url)
    except DynaSplitError as error:
        sys.stderr.write(f"dynasplit-ingest: {error}\n")
        return error.exit_code
    address = BrokerAddress.parse(settings.broker_url)
    bus = MqttBus(address, client_id=f"dynasplit-ingest-{uuid.uuid4().hex[:12]}")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ingest = Ingest(bus, store)
    chores = [
        Chore("rollouts", Driver(store, BusPublisher(bus)).look, every_s=_LOOK_S),
        Chore("computing tables", Computing(store).look, every_s=_LOOK_S),
    ]
    ingest.start()
    for chore in chores:
        chore.start()
    if not ended.wait(_BROKER_PATIENCE_S) and not bus.connected:
        logger.warning("broker %s is not there yet; trying again until it is", address)
    ended.wait()
    for chore in chores:
        chore.stop()
    ingest.stop()
    store.close()
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
