"""The agent's process: builds everything, serves until it is told to end, and leaves the board as it was."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from edge import descriptions
from edge.agent import Agent
from edge.allowance import Allowance
from edge.api import Served, create_app
from edge.bounds import Bounds
from edge.bundles import BundleStore, HttpSource
from edge.capabilities import Capabilities
from edge.controller import Controller
from edge.courier import Courier
from edge.execution import Execution
from edge.learning import Learner
from edge.networks import Networks
from edge.offload import Ration, RemoteCloud, Transport
from edge.outbox import Outbox
from edge.presence import Presence, last_will
from edge.recorder import Recorder
from edge.reports import Reports
from edge.runner_process import RunnerProcess
from edge.runners import RunnerKey
from edge.settings import EdgeSettings
from edge.table_store import TableStore
from edge.tables import DesiredTables, Tables, Trust, Warmer
from edge.transport import EmulatedLink, HttpTransport
from edge.turns import Turns
from edge.wall_clock import WallClock
from edge.web_server import make_server
from hardware.board import Board
from hardware.boards import open_board
from models.bundle import Bundle
from protocol import settings as protocol_settings
from protocol.bus import Bus
from protocol.errors import DynaSplitError, InvalidInput
from protocol.link import REFERENCE_LINK
from protocol.mqtt import BrokerAddress, MqttBus

logger = logging.getLogger(__name__)

_OTHER_THREADS = 4
"""Beside requests that are served or wait: health checks, descriptions, refusals."""


def main(argv: Sequence[str] | None = None) -> int:
    """`dynasplit-edge [--config edge.toml]`: 0 after a clean end, 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="dynasplit-edge", description="Serves inference requests on this device.")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings in TOML; DYNASPLIT_* variables win over it"
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        settings = protocol_settings.load(EdgeSettings, toml=arguments.config, environment=os.environ)
        _serve(settings)
    except DynaSplitError as error:
        sys.stderr.write(f"dynasplit-edge: {error}\n")
        return 2
    except KeyboardInterrupt:
        logger.info("ended before it served")
    return 0


def _end(_number: int, _frame: Any) -> NoReturn:
    """The first signal ends the agent; while it ends, further ones change nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _serve(settings: EdgeSettings) -> None:
    """Everything that is opened is closed again in reverse order, whatever happens."""
    with ExitStack() as stack:
        listening = stack.enter_context(_bound(settings))
        _make_folder(settings.data_dir)
        address = BrokerAddress.parse(settings.broker_url)
        bus = MqttBus(address, client_id=f"dynasplit-{settings.device}", will=last_will(settings.device))
        app = create_app(_build(settings, bus, stack))
        presence = Presence(bus, device=settings.device)
        presence.start()
        server = make_server(app, listening, threads=1 + settings.max_waiting + _OTHER_THREADS)
        stack.callback(server.close)
        bus.start()
        stack.callback(bus.stop)
        stack.callback(presence.stop)
        logger.info("device %s serves on http://%s:%s", settings.device, *listening.getsockname()[:2])
        server.run()
        logger.info("ending")


def _bound(settings: EdgeSettings) -> socket.socket:
    """The socket, bound first of all: a port in use shall end a start before it begins."""
    try:
        return socket.create_server((settings.host, settings.port))
    except OSError as error:
        reason = (
            "is in use; stop what listens there, or choose another" if error.errno == errno.EADDRINUSE else "failed"
        )
        raise InvalidInput(f"port {settings.port} on {settings.host} {reason} ({error.strerror})") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"data_dir {folder} cannot be made: {error.strerror}; set another 'data_dir'") from error


def _build(settings: EdgeSettings, bus: Bus, stack: ExitStack) -> Served:
    board = open_board(settings.board)
    controller = Controller(board)
    stack.callback(controller.restore)
    runner = RunnerProcess(cache_dir=settings.data_dir / "cache")
    stack.callback(runner.close)
    runner.start()

    def warm(bundle: Bundle, threads: int) -> None:
        runner.open(RunnerKey(bundle.folder, threads))

    wall = WallClock()
    bounds = _bounds(settings, board, wall, stack)
    bundles, networks = _bundles(settings, stack), Networks()
    _follow_tables(_tables(settings, bundles, networks, bounds=bounds, warm=warm), settings, bus, stack)
    cloud = RemoteCloud(_transport(settings, bounds.allowance, stack))
    agent = Agent(
        networks,
        Execution(controller, runner, cloud, clock=time.monotonic, emulated_link=settings.emulated_link),
        cloud,
        Recorder(_outbox(settings, bus, stack), device=settings.device, throttled=board.throttled, wall=wall),
        bounds=bounds,
        turns=Turns(max_waiting=settings.max_waiting),
        learner=Learner(violation_rate=settings.violation_rate, tries=settings.try_untried),
    )
    return Served(
        agent,
        networks,
        bundles,
        warm,
        lambda: descriptions.device(settings.device, board),
        settings.operator_token,
        settings.default_account,
    )


def _bounds(settings: EdgeSettings, board: Board, wall: WallClock, stack: ExitStack) -> Bounds:
    allowance = Allowance(settings.max_bytes_per_day, settings.data_dir / "sent.json", wall=wall.now)
    stack.callback(allowance.close)
    return Bounds(Capabilities.of(board, threads=settings.threads), settings.limits, allowance)


def _tables(
    settings: EdgeSettings, bundles: BundleStore, networks: Networks, *, bounds: Bounds, warm: Warmer
) -> Tables:
    return Tables(
        TableStore(settings.data_dir / "tables"),
        bundles,
        networks,
        trust=Trust(settings.device, settings.operator_public_key),
        capabilities=bounds.capabilities,
        limits=bounds.limits,
        warm=warm,
    )


def _bundles(settings: EdgeSettings, stack: ExitStack) -> BundleStore:
    source = HttpSource(settings.backend_url, token=settings.device_token)
    stack.callback(source.close)
    return BundleStore(settings.data_dir / "bundles", source)


def _transport(settings: EdgeSettings, ration: Ration, stack: ExitStack) -> Transport:
    http = HttpTransport(settings.backend_url, token=settings.device_token, ration=ration)
    stack.callback(http.close)
    return EmulatedLink(http, REFERENCE_LINK) if settings.emulated_link else http


def _outbox(settings: EdgeSettings, bus: Bus, stack: ExitStack) -> Outbox:
    """The outbox with its courier."""
    path = settings.data_dir / "outbox.sqlite"
    outbox = Outbox(path, max_rows=settings.outbox_max_rows, full_sync=settings.outbox_full_sync)
    stack.callback(outbox.close)
    courier = Courier(outbox, bus, device=settings.device)
    courier.start()
    stack.callback(courier.stop)
    return outbox


def _follow_tables(tables: Tables, settings: EdgeSettings, bus: Bus, stack: ExitStack) -> None:
    """Serves with the tables that are here, then with those that are desired."""
    reports = Reports(bus, device=settings.device)
    reports.start()
    for report in tables.resume():
        reports(report)
    desired = DesiredTables(tables, report=reports)
    desired.start(bus, device=settings.device)
    stack.callback(desired.stop)


if __name__ == "__main__":
    sys.exit(main())
