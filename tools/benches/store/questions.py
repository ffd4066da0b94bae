"""What dashboards ask of the store, and how long the answers take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from cloud.store.port import Store
from cloud.store.records.port import Selection
from tools.benches.figures import Target, spread
from tools.benches.store.rows import DAY_S, DAYS, DEVICES, END

LIMIT_MS = 100.0
_HOUR_S = 3600

Ask = Callable[[Store, Selection], object]

_OF_A_DAY: dict[str, Ask] = {
    "page": lambda store, day: len(list(store.inferences(day, limit=1000))),
    "chart": lambda store, day: len(store.inference_buckets(day, bucket_s=_HOUR_S)),
    "all": lambda store, day: len(list(store.inferences(day))),
}
_OTHERS: dict[str, Ask] = {
    "latest of all": lambda store, _: len(list(store.inferences(Selection(), limit=100))),
    "count of a run": lambda store, _: store.count_inferences(run="evening"),
    "devices": lambda store, _: len(store.devices()),
}
NAMES = {"page": "the newest 1000 of a day of a device", "chart": "a chart by the hour of it", "all": "all of it"}


def facts(store: Store, *, repeats: int) -> dict[str, Any]:
    """Milliseconds of each question; those of a day each time of another device and day, which nobody asked for before."""
    days = [_day(number) for number in range(repeats)]
    asked = {**_OF_A_DAY, **_OTHERS}
    taken = {name: [_timed(ask, store, day) for day in days] for name, ask in asked.items()}
    return {
        name: {"ms": spread([ms for ms, _ in found], 2), "answers": found[0][1]} | {"first_ms": round(found[0][0], 2)}
        for name, found in taken.items()
    }


def targets(dialect: str, found: Mapping[str, Any]) -> list[Target]:
    """A page and a chart of a day of one device."""
    return [
        Target(f"{dialect}: {NAMES[name]}, median", found[name]["ms"]["median"], LIMIT_MS, "ms")
        for name in ("page", "chart")
    ]


def _day(number: int) -> Selection:
    since = END - DAYS * DAY_S + (7 * number + 3) % (DAYS - 1) * DAY_S
    return Selection(
        device=f"pi-{(37 * number + 5) % DEVICES}", received_since=float(since), received_until=float(since + DAY_S)
    )


def _timed(ask: Ask, store: Store, day: Selection) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = ask(store, day)
    return (time.perf_counter() - started) * 1e3, answer
