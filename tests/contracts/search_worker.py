"""A worker of a shared search, as a process: measures made-up costs, names each on stdout, and may hang at one."""

from __future__ import annotations

import sys
import threading

from planner.searching.campaign import Aim, Campaign, Method, exhaustive
from planner.space import Space
from protocol.configuration import Configuration
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement
from tools.samplers.asking import Sampled
from tools.samplers.shared import SharedLedger

SPACE = Space(cuts=tuple(range(6)), clocks_khz=(600_000, 1_200_000, 1_800_000))
GRACE_S = 4


class Device:
    """Takes `hangs_at` configurations, then answers no more."""

    def __init__(self, hangs_at: int | None) -> None:
        self._left = hangs_at

    def measure(self, configuration: Configuration) -> list[Measurement]:
        print(configuration, flush=True)  # noqa: T201
        if self._left is not None:
            self._left -= 1
            if not self._left:
                threading.Event().wait()
        return [made_up(configuration)]


def made_up(configuration: Configuration) -> Measurement:
    ghz, cut = configuration.cpu_khz / 1e6, configuration.cut
    head_ms, cloud_ms = 20.0 * cut / ghz, 10.0 * (5 - cut)
    sent = 1000 if cut < 5 else 0
    cost = Cost(head_ms, 2.0, cloud_ms, head_ms + cloud_ms + 2, sent, sent, 3 * head_ms, 9.0, 50 * cloud_ms, None)
    return Measurement(configuration, cost, "vgg", "b" * 64, "pi", "fake", REFERENCE_LINK, 0.0, True)


def main(url: str, method: str, budget: str, hangs_at: str) -> None:
    ledger = SharedLedger(url, study="shared", space=SPACE, budget=int(budget), grace_s=GRACE_S)
    search: Method = exhaustive if method == "exhaustive" else Sampled(method)
    search(Campaign(SPACE, Device(int(hangs_at) or None), ledger), Aim())
    ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
