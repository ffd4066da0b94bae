"""The agent's process: builds everything, serves until it is told to end, and leaves the board as it was."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

from edge.api.app import create_app
from edge.api.listening import address_of, listening_on_path, listening_on_port
from edge.api.web_server import connection_within, make_server, serve
from edge.assembly.agent import assemble
from edge.data_folder import holding
from edge.restoring import restore
from edge.settings import EdgeSettings
from edge.telemetry.presence import Presence, client_id, last_will
from edge.watchdog.notifying import Notifier, watchdog_period_s
from edge.watchdog.signs import server_answers
from edge.watchdog.watching import Watchdog
from protocol import settings as protocol_settings
from protocol.errors import DynaSplitError
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus

logger = logging.getLogger(__name__)

START_AGAIN = 75
"""The exit code that asks a supervisor for another start (EX_TEMPFAIL, sysexits.h)."""

_OTHER_THREADS = 4
"""Beside requests that are served or wait: health checks, descriptions, refusals."""


def main(argv: Sequence[str] | None = None) -> int:
    """`dynasplit-edge [--config edge.toml] [--restore]`: 0 after a clean end, 2 when it cannot start, 75 when it wants to be
    started again."""
    parser = argparse.ArgumentParser(prog="dynasplit-edge", description="Serves inference requests on this device.")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings in TOML; DYNASPLIT_* variables win over it"
    )
    parser.add_argument(
        "--restore", action="store_true", help="serve nothing: put the CPU clock back as a killed agent had found it"
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if arguments.restore:
        return restore(arguments.config, environment=os.environ)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    restart = AnotherStart()
    try:
        settings = protocol_settings.load(EdgeSettings, toml=arguments.config, environment=os.environ)
        _serve(settings, restart)
    except DynaSplitError as error:
        sys.stderr.write(f"dynasplit-edge: {error}\n")
        return 2
    except KeyboardInterrupt:
        logger.info("ended before it served")
    return START_AGAIN if restart.wanted else 0


class AnotherStart:
    """Ends this process as a signal does, and remembers that it is to be started again. May be called from any thread."""

    def __init__(self) -> None:
        self.wanted = False

    def __call__(self) -> None:
        self.wanted = True
        signal.pthread_kill(cast(int, threading.main_thread().ident), signal.SIGTERM)


def _end(_number: int, _frame: Any) -> NoReturn:
    """The first signal ends the agent; while it ends, further ones change nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _serve(settings: EdgeSettings, restart: AnotherStart) -> None:
    """Everything that is opened is closed again in reverse order, whatever happens."""
    with ExitStack() as stack, ExitStack() as waits:
        listening = stack.enter_context(
            listening_on_path(settings.socket) if settings.socket else listening_on_port(settings.host, settings.port)
        )
        stack.enter_context(holding(settings.data_dir))
        address = BrokerAddress.parse(settings.broker_url, ca_file=settings.ca_file)
        name = client_id(settings.device, secret=settings.device_token)
        bus = MqttBus(address, client_id=name, will=last_will(settings.device))
        notify, signs = Notifier.of(os.environ), {"bus": lambda: bus.alive}
        app = create_app(assemble(settings, bus, stack, restart=restart, signs=signs, waits=waits))
        presence = Presence(bus, device=settings.device)
        presence.start()
        server = make_server(app, listening, threads=settings.max_in_flight + settings.max_waiting + _OTHER_THREADS)
        signs["server"] = server_answers(partial(connection_within, server))
        stack.callback(server.close)
        bus.start()
        stack.callback(bus.stop)
        stack.callback(presence.stop)
        logger.info("device %s serves on %s", settings.device, address_of(listening))
        if period_s := watchdog_period_s(os.environ):
            watchdog = Watchdog(notify, signs, period_s=period_s)
            watchdog.start()
            stack.callback(watchdog.stop)
        notify("READY=1", f"STATUS=serves as {settings.device}")
        serve(server, ending=partial(_begin_to_end, notify, waits))


def _begin_to_end(notify: Notifier, waits: ExitStack) -> None:
    """Those who wait for the cloud wait no more, so that they are answered from here before all else ends."""
    logger.info("ending")
    notify("STOPPING=1", "STATUS=ending")
    waits.close()
