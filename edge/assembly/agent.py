"""The whole agent, from its settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from edge.api import descriptions
from edge.api.served import Served
from edge.assembly.device import Device, open_device
from edge.assembly.networks import Shelf, open_networks
from edge.assembly.serving import open_agent, open_bounds
from edge.assembly.telemetry import start_outbox, take_samples
from edge.condition import Parts
from edge.jobs.book import JobBook
from edge.jobs.desk import JobDesk
from edge.jobs.profiling import Facilities, profiling
from edge.jobs.pushing import pushing
from edge.jobs.restarting import restarting
from edge.jobs.settling import settling
from edge.jobs.work import Makers
from edge.requests.recorder import Recorder
from edge.requests.turns import Turns
from edge.settings import EdgeSettings
from edge.telemetry.energy_total import EnergyTotal
from edge.telemetry.outbox import Outbox
from edge.telemetry.wall_clock import WallClock
from edge.telling import tell
from edge.watchdog.signs import threads_live
from edge.watchdog.watching import Sign
from protocol.bus import Bus
from protocol.jobs import JobKind


def assemble(
    settings: EdgeSettings,
    bus: Bus,
    stack: ExitStack,
    *,
    restart: Callable[[], None],
    signs: dict[str, Sign],
    waits: ExitStack,
) -> Served:
    """Opens what the settings name, and leaves on the stack how each is closed again. `restart` ends the agent, which its
    supervisor then starts again; `signs` gets what tells that the parts live, and `waits` what ends before the last requests
    are answered: the way to the cloud."""
    device, wall = open_device(settings, stack), WallClock()
    signs |= {"runner": lambda: not device.runner.stuck, "threads": threads_live()}
    bounds = open_bounds(settings, device, wall=wall, stack=stack)
    known = open_networks(settings, bus, stack, device=device, bounds=bounds)
    turns = Turns(max_waiting=settings.max_waiting, max_in_flight=settings.max_in_flight)
    outbox = start_outbox(settings, bus, stack)
    take_samples(settings, device.board, outbox, wall=wall, stack=stack)
    recorder = Recorder(outbox, device=settings.device, wall=wall)
    agent = open_agent(
        settings, waits, device=device, networks=known.networks, recorder=recorder, bounds=bounds, turns=turns
    )
    settle = settling(turns, device.controller)
    facilities = Facilities(agent, known.bundles, known.networks, device.warm, bounds, settle)
    makers = {
        JobKind.PROFILE: profiling(facilities),
        JobKind.PUSH: pushing(known.desired),
        JobKind.RESTART: restarting(restart),
    }
    _follow_jobs(settings, bus, stack, makers=makers)
    energy = EnergyTotal(device.board.meter, settings.data_dir / "energy.json")
    parts = _parts(device, energy, recorder, known, outbox)
    tell(settings, bus, stack, parts=parts, changes=(device.heat.on_change, device.accelerators.on_change))
    return Served(
        agent,
        known.networks,
        known.bundles,
        device.warm,
        lambda: _described(settings.device, device, outbox),
        settings.operator_token,
        settings.default_account,
        obstacle=device.runner.obstacle,
    )


def _parts(
    device: Device,
    energy: EnergyTotal,
    recorder: Recorder,
    known: Shelf,
    outbox: Outbox,
) -> Parts:
    state = device.accelerators.state
    return Parts(device.board, device.meter_name, energy, recorder.recent, known.networks, outbox, state)


def _described(name: str, device: Device, outbox: Outbox) -> dict[str, Any]:
    return descriptions.device(
        name, device.board, clocks_khz=device.heat.ladder_khz, accelerators=device.accelerators, outbox=outbox
    )


def _follow_jobs(settings: EdgeSettings, bus: Bus, stack: ExitStack, *, makers: Makers) -> None:
    desk = JobDesk(JobBook(settings.data_dir / "jobs.json"), bus, device=settings.device, makers=makers)
    desk.start()
    stack.callback(desk.stop)
