"""What the API gives access to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.api.complaints import Complaints
from edge.api.tally import Tally
from edge.requests.agent import Agent
from edge.tables.bundles import BundleStore
from edge.tables.networks import Networks
from edge.tables.readiness import Warmer
from hardware.clock import Clock
from protocol.configuration import Account


@dataclass(frozen=True)
class Served:
    """What the API gives access to. `obstacle` tells why no network can be run now, "" when they can."""

    agent: Agent
    networks: Networks
    bundles: BundleStore
    warm: Warmer
    device: Callable[[], Mapping[str, Any]]
    operator_token: str
    account: Account = Account.EDGE_NODE
    clock: Clock = time.monotonic
    obstacle: Callable[[], str] = str
    tally: Tally = field(default_factory=Tally)
    complaints: Complaints = field(default_factory=Complaints)
    loading: threading.Lock = field(default_factory=threading.Lock)
