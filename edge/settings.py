"""Settings of the agent."""

from __future__ import annotations

import base64
import math
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from hardware.power.opening import AUTO, MeterSpec
from hardware.sysfs import SYSFS
from planner.choosing.limits import Limits
from planner.learning.experience import DEFAULT_VIOLATION_RATE
from protocol import topics
from protocol.configuration import Account, choose
from protocol.errors import InvalidInput
from protocol.mqtt.address import BrokerAddress
from protocol.tokens import check_token
from protocol.topics import HOME_ASSISTANT, check_name

RUN_DIR = Path("/run/dynasplit")


@dataclass(frozen=True)
class EdgeSettings:
    """What the agent needs to know, from `edge.toml` and `DYNASPLIT_*`.

    `operator_public_key`: 32 bytes in base64, the only key whose tables are applied. `operator_token`: what local
    callers show to choose strategies, configurations and bundles. `emulated_link`: requests to the cloud wait as long
    as on the published testbed's link. `account`: whose energy counts where a request does not say. `threads`: the
    most that a configuration may use. `ca_file`: PEM certificates that alone are trusted for `https` and `mqtts`. `min_cut`: the
    smallest cut point at which anything may leave the device (1: never the input itself). `max_bytes_per_day`: of
    requests to the cloud, per UTC day (0: no limit). `min_accuracy`: what a row
    must be proven to reach, whatever a request allows (0: nothing). `violation_rate`: the share of requests that may take
    longer than was promised with the margin. `try_untried`: of rows that promise about the same, what is not known of one
    counts in its favour. `max_waiting`: requests that may wait for their turn. `max_in_flight`: requests that may be
    under way at once, of which one runs on the device and the others wait for the cloud.
    `min_clock_khz`, `max_clock_khz` (0: no limit): the CPU clocks that may be used. `keep_throttled`: what is measured while
    the device is slowed down is kept, marked, not refused. `socket`: where the local API listens, in place of `host` and `port`.
    `open_runners`: how many runners stay open, each for one bundle and number of threads, on the CPU and on accelerators each.
    `bundles_max_bytes`: what bundles and what is made of them may take on disk (0: no limit). `outbox_max_bytes`: what
    records may take there.
    `outbox_full_sync`: survive a power cut with every record, at the price of one flush to the card per request. `run_dir`: a
    folder in memory for what outlives the process but not a reboot. `sysfs`: where the kernel's sysfs is mounted. `meter`: what
    measures the device's power, `KIND` or `KIND:ARGUMENT`. `plug_broker_url`: where a smart plug is ("": the agent's broker).
    `state_every_s`: how often the state is told where nothing changes. `home_assistant`: whether the device announces itself
    there, on topics that begin with `home_assistant_prefix`.
    `sample_every_s`: seconds between two records of power, clock and temperature (0: none).
    `edgetpu_std_library`, `edgetpu_max_library`: the builds of libedgetpu; the device has the accelerators for which the file
    is there. `edgetpu_device`: which Edge TPU, as the library names it ("": the first). `edgetpu_power_down_s`: how long it
    rests before its port loses its power (0: never); `edgetpu_usb_hub`, `edgetpu_usb_port`: that port as uhubctl names it
    ("", 0: as sysfs says). `emulated_tpu`: an emulated board has an emulated Edge TPU.
    """

    device: str
    data_dir: Path
    backend_url: str
    device_token: str = field(repr=False)
    broker_url: str = field(repr=False)
    operator_token: str = field(repr=False)
    operator_public_key: str
    board: str = "emulated-pi4"
    run_dir: Path = RUN_DIR
    sysfs: Path = SYSFS
    host: str = "127.0.0.1"
    port: int = 8600
    emulated_link: bool = False
    account: str = Account.EDGE_NODE.value
    outbox_max_bytes: int = 128 << 20
    outbox_full_sync: bool = False
    open_runners: int = 4
    bundles_max_bytes: int = 4 << 30
    threads: int = 1
    min_cut: int = 0
    max_bytes_per_day: int = 0
    min_accuracy: float = 0.0
    violation_rate: float = DEFAULT_VIOLATION_RATE
    try_untried: bool = True
    max_waiting: int = 8
    meter: str = AUTO
    sample_every_s: int = 60
    plug_broker_url: str = field(default="", repr=False)
    max_in_flight: int = 2
    ca_file: Path | None = None
    min_clock_khz: int = 0
    max_clock_khz: int = 0
    keep_throttled: bool = False
    state_every_s: float = 30.0
    home_assistant: bool = False
    home_assistant_prefix: str = HOME_ASSISTANT
    socket: Path | None = None
    edgetpu_std_library: Path = Path("/usr/lib/dynasplit/edgetpu/std/libedgetpu.so.1")
    edgetpu_max_library: Path = Path("/usr/lib/dynasplit/edgetpu/max/libedgetpu.so.1")
    edgetpu_device: str = ""
    edgetpu_usb_hub: str = ""
    edgetpu_usb_port: int = 0
    edgetpu_power_down_s: int = 0
    emulated_tpu: bool = False

    def __post_init__(self) -> None:
        check_name(self.device, what="setting 'device'")
        choose(Account, self.account, what="setting 'account'")
        if not self.host.strip():
            raise InvalidInput(
                "setting 'host' is empty; 127.0.0.1 serves this device alone, 0.0.0.0 whoever reaches it"
            )
        BrokerAddress.parse(self.broker_url)
        if self.plug_broker_url:
            BrokerAddress.parse(self.plug_broker_url)
        self.meter_spec.check()
        if self.max_clock_khz and self.min_clock_khz > self.max_clock_khz:
            raise InvalidInput(
                f"setting 'min_clock_khz' must not be above max_clock_khz {self.max_clock_khz}, not {self.min_clock_khz}"
            )
        _check_url(self.backend_url)
        _check_key(self.operator_public_key)
        topics.check_prefix(self.home_assistant_prefix, what="setting 'home_assistant_prefix'")
        for name in ("device_token", "operator_token"):
            check_token(getattr(self, name), what=f"setting '{name}'")
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise InvalidInput(f"setting '{name}' must lie between {low} and {high}, not {getattr(self, name)}")
        if bool(self.edgetpu_usb_hub) != bool(self.edgetpu_usb_port):
            raise InvalidInput("settings 'edgetpu_usb_hub' and 'edgetpu_usb_port' go together: set both, or neither")

    @property
    def default_account(self) -> Account:
        return Account(self.account)

    @property
    def limits(self) -> Limits:
        """What this device may not do; what is left of the day's bytes comes on top."""
        return Limits(
            min_cut=self.min_cut,
            min_accuracy=self.min_accuracy or None,
            min_clock_khz=self.min_clock_khz,
            max_clock_khz=self.max_clock_khz or math.inf,
        )

    @property
    def meter_spec(self) -> MeterSpec:
        """The power meter that is asked for."""
        plugs = self.plug_broker_url or self.broker_url
        return MeterSpec.parse(self.meter, sys=self.sysfs, broker_url=plugs, ca_file=self.ca_file)


@dataclass(frozen=True)
class Places:
    """What must be known to put the device back although the other settings cannot be read; see `EdgeSettings`."""

    run_dir: Path = RUN_DIR
    sysfs: Path = SYSFS


_RANGES = {
    "port": (0, 65_535),
    "open_runners": (1, 64),
    "bundles_max_bytes": (0, 1 << 50),
    "outbox_max_bytes": (8 << 20, 1 << 40),
    "threads": (1, 256),
    "min_cut": (0, 1_000_000),
    "max_bytes_per_day": (0, 10**15),
    "min_accuracy": (0, 1),
    "violation_rate": (0.000_001, 0.4),
    "sample_every_s": (0, 86_400),
    "max_waiting": (0, 1_000),
    "edgetpu_usb_port": (0, 15),
    "edgetpu_power_down_s": (0, 86_400),
    "max_in_flight": (1, 16),
    "min_clock_khz": (0, 100_000_000),
    "max_clock_khz": (0, 100_000_000),
    "state_every_s": (1, 86_400),
}


def _check_url(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a bracket that does not close, a port that is none
        good = False
    if not good:
        raise InvalidInput(f"setting 'backend_url' must look like http://host:8000, not {url!r:.80}")
    if "@" in parts.netloc:
        raise InvalidInput(
            "setting 'backend_url' holds a name or a password; leave them out: device_token is what is sent"
        )
    if "?" in url or "#" in url:
        raise InvalidInput(f"setting 'backend_url' must end before any '?' or '#', not {url!r:.80}")


def _check_key(key: str) -> None:
    try:
        length = len(base64.b64decode(key.strip(), validate=True))
    except ValueError as error:
        raise InvalidInput(f"setting 'operator_public_key' is not base64: {error}") from error
    if length != 32:
        raise InvalidInput(f"setting 'operator_public_key' must be 32 bytes in base64, not {length}")
