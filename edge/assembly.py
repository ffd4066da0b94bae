"""The agent, put together: every adapter is made here and handed to who needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from edge.api import descriptions
from edge.api.app import Served
from edge.condition import Parts
from edge.device.accelerators import Accelerators
from edge.device.capabilities import Capabilities
from edge.device.controller import Controller
from edge.device.edge_tpu import emulated_usb, open_edge_tpu
from edge.device.heat import Heat
from edge.device.metering import draws_of, energies_of, start_meter
from edge.device.sampler import Sampler
from edge.device.throttle_guard import ThrottleGuard
from edge.jobs.book import JobBook
from edge.jobs.desk import JobDesk
from edge.jobs.profiling import Facilities, profiling
from edge.jobs.pushing import pushing
from edge.jobs.restarting import restarting
from edge.jobs.work import Makers
from edge.offload.allowance import Allowance
from edge.offload.cloud import Ration, RemoteCloud, Transport
from edge.offload.transport import EmulatedLink, HttpTransport
from edge.requests.agent import Agent
from edge.requests.bounds import Bounds
from edge.requests.execution import Execution
from edge.requests.learning import Learner
from edge.requests.recorder import Recorder
from edge.requests.turns import Turns
from edge.runners.emulated_tpu import EmulatedTpuOpener
from edge.runners.port import BundleOpener, Opener, RunnerKey, Runners
from edge.runners.process import RunnerProcess
from edge.settings import EdgeSettings
from edge.tables.bundles import BundleStore
from edge.tables.deciding import Tables, Trust, Warmer
from edge.tables.desired import DesiredTables
from edge.tables.history import TableStore
from edge.tables.networks import Networks
from edge.tables.reports import Reports
from edge.tables.room import Room
from edge.tables.source import HttpSource
from edge.telemetry.courier import Courier
from edge.telemetry.energy_total import EnergyTotal
from edge.telemetry.outbox import Outbox
from edge.telemetry.samples import Samples, Senses
from edge.telemetry.wall_clock import WallClock
from edge.telling import tell
from edge.watchdog.signs import threads_live
from edge.watchdog.watching import Sign
from hardware import found_clocks
from hardware.board import Board
from hardware.boards import open_board
from hardware.found_clocks import FoundClocksFile
from models.bundle import Bundle
from models.running.edgetpu_runner import EdgeTpuLibraries
from protocol.bus import Bus
from protocol.jobs import JobKind
from protocol.link import REFERENCE_LINK


def assemble(
    settings: EdgeSettings, bus: Bus, stack: ExitStack, *, restart: Callable[[], None], signs: dict[str, Sign]
) -> Served:
    """Opens what the settings name, and leaves on the stack how each is closed again. `restart` ends the agent, which its
    supervisor then starts again; `signs` gets what tells that the parts live."""
    found = FoundClocksFile(settings.run_dir / found_clocks.FILE)
    runner = RunnerProcess(opener=_opener(settings), cache_dir=settings.data_dir / "cache")
    stack.callback(runner.close)
    edge_tpu = open_edge_tpu(settings, release=runner.release_accelerators)
    meter = start_meter(settings.board, settings.meter_spec, stack)
    board = open_board(settings.board, meter=meter, edge_tpu=edge_tpu, found=found, sys=settings.sysfs)
    heat = Heat(settings.limits.allowed_khz(board.ladder_khz()))
    controller = Controller(board, heat=heat)
    stack.callback(controller.restore)
    runner.start()
    signs |= {"runner": lambda: not runner.stuck, "threads": threads_live()}

    def warm(bundle: Bundle, threads: int) -> None:
        runner.open(RunnerKey(bundle.folder, threads))

    wall = WallClock()
    bounds = replace(_bounds(settings, board, wall, stack), heat=heat, accelerators=Accelerators(edge_tpu))
    store = TableStore(settings.data_dir / "tables")
    bundles, networks = _bundles(settings, store, runner, stack), Networks()
    tables = _tables(settings, store, bundles, networks, bounds=bounds, warm=warm)
    desired = _follow_tables(tables, settings, bus, stack)
    turns = Turns(max_waiting=settings.max_waiting, max_in_flight=settings.max_in_flight)
    outbox = _outbox(settings, bus, stack)
    _take_samples(settings, board, outbox, wall=wall, stack=stack)
    recorder = Recorder(outbox, device=settings.device, wall=wall)
    cloud = RemoteCloud(_transport(settings, bounds.allowance, stack))
    agent = Agent(
        networks,
        Execution(
            controller,
            runner,
            cloud,
            energies=energies_of(board),
            clock=time.monotonic,
            emulated_link=settings.emulated_link,
            guard=ThrottleGuard(board.slowdown, keeps=settings.keep_throttled),
            accelerators=bounds.accelerators,
        ),
        cloud,
        recorder,
        bounds=bounds,
        turns=turns,
        learner=Learner(violation_rate=settings.violation_rate, tries=settings.try_untried),
    )

    def settle() -> None:
        with turns.turn():
            controller.restore()

    def described() -> dict[str, Any]:
        return descriptions.device(
            settings.device,
            board,
            clocks_khz=heat.ladder_khz,
            accelerators=bounds.accelerators,
            outbox=outbox,
        )

    facilities = Facilities(agent, bundles, networks, warm, bounds, settle)
    makers = {
        JobKind.PROFILE: profiling(facilities),
        JobKind.PUSH: pushing(desired),
        JobKind.RESTART: restarting(restart),
    }
    _follow_jobs(settings, bus, stack, makers=makers)
    energy = EnergyTotal(board.meter, settings.data_dir / "energy.json")
    meter_name = settings.meter if isinstance(meter, Sampler) else board.name
    parts = Parts(board, meter_name, energy, recorder.recent, networks, outbox, bounds.accelerators.state)
    tell(settings, bus, stack, parts=parts)
    return Served(
        agent,
        networks,
        bundles,
        warm,
        described,
        settings.operator_token,
        settings.default_account,
        obstacle=runner.obstacle,
    )


def _opener(settings: EdgeSettings) -> Opener:
    """What opens bundles in the runner child, with the accelerator that the settings tell of."""
    if usb := emulated_usb(settings):
        return EmulatedTpuOpener(usb)
    libraries = EdgeTpuLibraries(
        settings.edgetpu_std_library, settings.edgetpu_max_library, device=settings.edgetpu_device
    )
    return BundleOpener(libraries)


def _bounds(settings: EdgeSettings, board: Board, wall: WallClock, stack: ExitStack) -> Bounds:
    allowance = Allowance(settings.max_bytes_per_day, settings.data_dir / "sent.json", wall=wall.now)
    stack.callback(allowance.close)
    return Bounds(Capabilities.of(board, threads=settings.threads), settings.limits, allowance)


def _tables(
    settings: EdgeSettings,
    store: TableStore,
    bundles: BundleStore,
    networks: Networks,
    *,
    bounds: Bounds,
    warm: Warmer,
) -> Tables:
    return Tables(
        store,
        bundles,
        networks,
        trust=Trust(settings.device, settings.operator_public_key),
        capabilities=bounds.capabilities,
        limits=bounds.limits,
        warm=warm,
    )


def _bundles(settings: EdgeSettings, store: TableStore, runners: Runners, stack: ExitStack) -> BundleStore:
    """Beside what bundles may take, the disk has room for the outbox."""
    source = HttpSource(settings.backend_url, token=settings.device_token, ca=settings.ca_file)
    stack.callback(source.close)
    room = Room(
        max_bytes=settings.bundles_max_bytes,
        spare_bytes=settings.outbox_max_bytes,
        cache_dir=settings.data_dir / "cache",
        release=runners.release,
    )
    return BundleStore(settings.data_dir / "bundles", source, room=room, needed=store.bundles)


def _transport(settings: EdgeSettings, ration: Ration, stack: ExitStack) -> Transport:
    http = HttpTransport(settings.backend_url, token=settings.device_token, ration=ration, ca=settings.ca_file)
    stack.callback(http.close)
    return EmulatedLink(http, REFERENCE_LINK) if settings.emulated_link else http


def _outbox(settings: EdgeSettings, bus: Bus, stack: ExitStack) -> Outbox:
    """The outbox with its courier."""
    path = settings.data_dir / "outbox.sqlite"
    outbox = Outbox(path, max_bytes=settings.outbox_max_bytes, full_sync=settings.outbox_full_sync)
    stack.callback(outbox.close)
    courier = Courier(outbox, bus, device=settings.device)
    courier.start()
    stack.callback(courier.stop)
    return outbox


def _take_samples(settings: EdgeSettings, board: Board, outbox: Outbox, *, wall: WallClock, stack: ExitStack) -> None:
    if settings.sample_every_s:
        senses = Senses(draws_of(board), board.running_khz, board.temperature_c, board.slowdown)
        samples = Samples(senses, outbox, every_s=settings.sample_every_s, wall=wall)
        samples.start()
        stack.callback(samples.stop)


def _follow_jobs(settings: EdgeSettings, bus: Bus, stack: ExitStack, *, makers: Makers) -> None:
    desk = JobDesk(JobBook(settings.data_dir / "jobs.json"), bus, device=settings.device, makers=makers)
    desk.start()
    stack.callback(desk.stop)


def _follow_tables(tables: Tables, settings: EdgeSettings, bus: Bus, stack: ExitStack) -> DesiredTables:
    """Serves with the tables that are here, then with those that are desired."""
    reports = Reports(bus, device=settings.device)
    reports.start()
    for report in tables.resume():
        reports(report)
    desired = DesiredTables(tables, report=reports)
    desired.start(bus, device=settings.device)
    stack.callback(desired.stop)
    return desired
