"""What the agent tells of itself beside its records, put together: its state, and how Home Assistant is to show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version as installed_version

from edge.condition import Condition, Parts
from edge.settings import EdgeSettings
from edge.telemetry import discovery
from edge.telemetry.home_assistant import Announcements, HomeAssistant, Withdrawal
from edge.telemetry.state import StateTeller
from protocol.bus import Bus

OnChange = Callable[[Callable[[], None]], None]
"""Takes what to call when something has changed."""


def tell(
    settings: EdgeSettings, bus: Bus, stack: ExitStack, *, parts: Parts, changes: Sequence[OnChange]
) -> StateTeller:
    """Begins to tell, and leaves on the stack how it ends. The state is told soon after each of the changes."""
    teller = StateTeller(bus, device=settings.device, look=Condition(parts), every_s=settings.state_every_s)
    stack.callback(parts.energy.close)
    for on_change in (parts.networks.on_change, parts.outbox.on_loss, *changes):
        on_change(teller.changed)
    announcements = Announcements(settings.data_dir / "home_assistant.json")
    if settings.home_assistant:
        _announce(settings, bus, parts=parts, announcements=announcements, tell_state=teller.changed)
    else:
        Withdrawal(bus, announcements).start()
    teller.start()
    stack.callback(teller.stop)
    return teller


def _announce(
    settings: EdgeSettings,
    bus: Bus,
    *,
    parts: Parts,
    announcements: Announcements,
    tell_state: Callable[[], None],
) -> None:
    version = installed_version("dynasplit")

    def compose() -> dict[str, object]:
        networks = [network.name for network in parts.networks.all() if network.plan]
        return discovery.payload(settings.device, model=parts.board.name, version=version, networks=networks)

    home_assistant = HomeAssistant(
        bus,
        device=settings.device,
        prefix=settings.home_assistant_prefix,
        compose=compose,
        tell_state=tell_state,
        announcements=announcements,
    )
    home_assistant.start()
    parts.networks.on_change(home_assistant.changed)
