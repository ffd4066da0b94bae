"""The broker, the cloud, and whether the clocks agree: asked as the agent asks, with its own name and token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

from edge.settings import EdgeSettings
from edge.telemetry.wall_clock import WallClock
from protocol.errors import DynaSplitError, InvalidInput, NotAuthenticated, NotFound
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.calls import check_login
from tools.doctoring.findings import Finding, error, warning, well
from tools.web import Web

_TIMEOUT_S = 5.0
_SKEW_S = 2.0
"""The `Date` of a reply counts whole seconds."""

Login = Callable[[BrokerAddress], None]


def check_broker(settings: EdgeSettings, *, login: Login | None = None) -> Iterator[Finding]:
    """Whether the broker lets the device in. Under a name of its own: a second client of the agent's name would end the first."""
    address = BrokerAddress.parse(settings.broker_url, ca_file=settings.ca_file)
    try:
        (login or _login)(address)
    except DynaSplitError as refusal:
        yield error("broker", str(refusal), "records wait in the outbox until it is back; see setting 'broker_url'")
        return
    yield well("broker", f"{address} lets the device in")
    if not address.tls and address.host not in ("localhost", "127.0.0.1", "::1"):
        yield warning("broker", f"{address} is not encrypted", "use mqtts:// outside of a network of your own")


def _login(address: BrokerAddress) -> None:
    check_login(address, client_id=f"dynasplit-doctor-{time.time_ns():x}", timeout_s=_TIMEOUT_S)


def check_cloud(settings: EdgeSettings, *, wall: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Whether the backend answers, knows the device's token, and has the same time."""
    try:
        web = Web(
            settings.backend_url,
            token=settings.device_token,
            name="backend",
            timeout_s=_TIMEOUT_S,
            ca_file=settings.ca_file,
        )
        asked_at = wall()
        response = web.call("GET", "/v2/health/ready")
        answered_at = wall()
    except DynaSplitError as refusal:
        yield error("cloud", str(refusal), "requests are finished on the device until it is back; see 'backend_url'")
        return
    yield _token(web, settings.backend_url)
    yield from _skew(response.headers.get("Date", ""), (asked_at + answered_at) / 2)


def _token(web: Web, url: str) -> Finding:
    """By asking for a bundle that cannot be there: only who is known is told so."""
    try:
        web.call("GET", f"/api/v1/bundles/{'0' * 64}")
    except NotAuthenticated:
        return error("cloud", f"{url} does not know this device's token", "enroll the device again (dynasplit enroll)")
    except (NotFound, InvalidInput):
        pass
    except DynaSplitError as refusal:
        return error("cloud", str(refusal), "see the backend's log")
    return well("cloud", f"{url} answers and knows the device")


def _skew(date: str, here: float) -> Iterator[Finding]:
    try:
        skew_s = here - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return
    if abs(skew_s) <= _SKEW_S:
        yield well("time", f"within {_SKEW_S:g} s of the cloud's")
    else:
        yield warning(
            "time",
            f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the cloud's",
            "set the clock by a time server: timedatectl set-ntp true",
        )


def check_time(wall: WallClock) -> Iterator[Finding]:
    """Whether something keeps this machine's clock right."""
    if wall.now()[1]:
        yield well("time", "kept by a time server")
    else:
        yield warning(
            "time",
            "no time server has set this clock since it started",
            "records are marked as not synchronised: timedatectl set-ntp true",
        )
