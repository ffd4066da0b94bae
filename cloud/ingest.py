"""The ingest process: its settings, its store, its broker."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Sequence

from cloud.broker.publishing import BusPublisher
from cloud.broker.republishing import Republishing
from cloud.chores import Chore
from cloud.intake.ingest import Ingest
from cloud.rollouts.driving import Driver
from cloud.settings import IngestSettings, Sharing, load_ingest
from cloud.store.port import Store
from cloud.store.sql import SqlStore
from cloud.tables.computing import Computing
from cloud.watching.ingest_metrics import IngestMetrics
from cloud.watching.ingest_port import serve
from cloud.watching.logs import LogFormat, LogLevel, set_up
from protocol.errors import DynaSplitError, ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.calls import offers_sharing
from protocol.mqtt.pair import MqttPair

logger = logging.getLogger(__name__)

_BROKER_RETRY_S = 2.0
_LOOK_S = 1.0
_GARBAGE_OBJECTS = 200_000
"""Records are many small objects without circles: looking for such every 700 of them takes a fifth of all time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ingest until SIGTERM or SIGINT; exit code 2 for settings that cannot be used, 1 when a thread of it has ended."""
    argparse.ArgumentParser(
        prog="dynasplit-ingest",
        description="Writes telemetry from the broker into the store. Settings: DYNASPLIT_BROKER_URL, DYNASPLIT_DATA_DIR "
        "or DYNASPLIT_DATABASE_URL, or a TOML file named by DYNASPLIT_SETTINGS_FILE.",
    ).parse_args(argv)
    try:
        settings = load_ingest(os.environ)
        set_up(LogFormat(settings.log_format), LogLevel(settings.log_level))
        store = SqlStore(settings.database_url)
        metrics = IngestMetrics()
        stop_telling = _telling(settings, metrics)
    except DynaSplitError as error:
        sys.stderr.write(f"dynasplit-ingest: {error}\n")
        return error.exit_code
    gc.set_threshold(_GARBAGE_OBJECTS)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        return _run(settings, store, metrics, ended)
    finally:
        stop_telling()
        store.close()


def _telling(settings: IngestSettings, metrics: IngestMetrics) -> Callable[[], None]:
    """Tells metrics, and whether it is ready, where the settings have a port for it; what ends that."""
    if not settings.metrics_port:
        return lambda: None
    return serve(metrics, settings.metrics_host, settings.metrics_port)


def _run(settings: IngestSettings, store: Store, metrics: IngestMetrics, ended: threading.Event) -> int:
    address = BrokerAddress.parse(settings.broker_url)
    name = f"dynasplit-ingest-{uuid.uuid4().hex[:12]}"
    bus = MqttPair(address, client_id=name)
    chores = [
        Chore("what the broker retains", Republishing(store, bus).look, every_s=_LOOK_S),
        Chore("rollouts", Driver(store, BusPublisher(bus)).look, every_s=_LOOK_S),
        Chore("computing tables", Computing(store).look, every_s=_LOOK_S),
    ]
    for chore in chores:
        chore.start()
    try:
        share = _shares(settings, address, name=name, ended=ended)
        if ended.is_set():
            return 0
        return _take_in(bus, Ingest(bus, store, retention=settings, share=share, metrics=metrics), ended)
    finally:
        for chore in chores:
            chore.stop()


def _take_in(bus: MqttPair, ingest: Ingest, ended: threading.Event) -> int:
    """Until the end is called, or a thread has ended that nobody here can start anew."""
    ingest.start()
    whole = True
    while whole and not ended.wait(_LOOK_S):
        whole = ingest.alive and bus.alive
    ingest.stop()
    if not whole:
        logger.error("a thread of ingest has ended; so does the process, to be started anew")
        return 1
    logger.info("stopped")
    return 0


def _shares(settings: IngestSettings, address: BrokerAddress, *, name: str, ended: threading.Event) -> bool:
    """Whether telemetry is divided among the ingest processes; where the broker decides, it is waited for."""
    if settings.share != Sharing.AUTO:
        return settings.share == Sharing.ON
    told = False
    while not ended.is_set():
        try:
            share = offers_sharing(address, client_id=f"{name}-asks")
        except ServiceMissing as error:
            if not told:
                logger.warning("%s Trying again", error)
            told = True
            ended.wait(_BROKER_RETRY_S)
        else:
            logger.info("telemetry is %s", "shared with other ingest processes" if share else "not shared")
            return share
    return False


if __name__ == "__main__":
    raise SystemExit(main())
