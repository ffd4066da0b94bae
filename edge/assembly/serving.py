"""Who serves requests: the agent with its queue, its bounds and its way to the cloud."""

from __future__ import annotations

import time
from contextlib import ExitStack

from edge.assembly.device import Device
from edge.device.capabilities import Capabilities
from edge.device.throttle_guard import ThrottleGuard
from edge.metering.starting import energies_of
from edge.offload.allowance import Allowance
from edge.offload.cloud import Cloud, Ration, RemoteCloud, Transport
from edge.offload.transport import EmulatedLink, HttpTransport
from edge.requests.agent import Agent
from edge.requests.bounds import Bounds
from edge.requests.execution import Execution
from edge.requests.learning import Learner
from edge.requests.recorder import Recorder
from edge.requests.turns import Turns
from edge.settings import EdgeSettings
from edge.tables.networks import Networks
from edge.telemetry.wall_clock import WallClock
from protocol.link import REFERENCE_LINK


def open_bounds(settings: EdgeSettings, device: Device, *, wall: WallClock, stack: ExitStack) -> Bounds:
    """What the device can do, may do, and may still send today."""
    allowance = Allowance(settings.max_bytes_per_day, settings.data_dir / "sent.json", wall=wall.now)
    stack.callback(allowance.close)
    capabilities = Capabilities.of(device.board, threads=settings.threads)
    return Bounds(capabilities, settings.limits, allowance, heat=device.heat, accelerators=device.accelerators)


def open_agent(
    settings: EdgeSettings,
    waits: ExitStack,
    *,
    device: Device,
    networks: Networks,
    recorder: Recorder,
    bounds: Bounds,
    turns: Turns,
) -> Agent:
    """The agent; its connections to the cloud end with `waits`."""
    cloud = RemoteCloud(_transport(settings, bounds.allowance, waits))
    return Agent(
        networks,
        _execution(settings, device, cloud),
        cloud,
        recorder,
        bounds=bounds,
        turns=turns,
        learner=Learner(violation_rate=settings.violation_rate, tries=settings.try_untried),
    )


def _execution(settings: EdgeSettings, device: Device, cloud: Cloud) -> Execution:
    return Execution(
        device.controller,
        device.runner,
        cloud,
        energies=energies_of(device.board),
        clock=time.monotonic,
        emulated_link=settings.emulated_link,
        guard=ThrottleGuard(device.board.slowdown, keeps=settings.keep_throttled),
        accelerators=device.accelerators,
    )


def _transport(settings: EdgeSettings, ration: Ration, waits: ExitStack) -> Transport:
    http = HttpTransport(settings.backend_url, token=settings.device_token, ration=ration, ca=settings.ca_file)
    waits.callback(http.close)
    return EmulatedLink(http, REFERENCE_LINK) if settings.emulated_link else http
