"""How the fleet is: who is there, what it served and for how much energy, which tables it uses, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cloud.store.devices.port import Device
from cloud.store.port import Store
from cloud.store.records.port import Selection
from cloud.tables.standing import Standing, standings
from protocol.messages import TableState
from protocol.presence import Availability

_HOUR_S, _DAY_S = 3600, 86_400
_RECENT_S = 600.0


class AlarmKind(StrEnum):
    """What is wrong with a device.

    `offline`: it vanished without a word. `throttled`: heat or a weak supply slowed it down within ten minutes. `rejected`,
    `rolled_back`: that became of its latest table.
    """

    OFFLINE = "offline"
    THROTTLED = "throttled"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Alarm:
    """`since` in seconds since the epoch, null where nobody can tell. `network` and `reason` are empty but for tables."""

    device: str
    kind: AlarmKind
    since: float | None
    network: str = ""
    reason: str = ""


@dataclass(frozen=True)
class DeviceCounts:
    """Registered devices by availability, and how many others were heard of."""

    registered: int
    online: int
    offline: int
    stopped: int
    unregistered: int


@dataclass(frozen=True)
class Served:
    """The inferences that came in within a time. Energies in mJ by provenance, of the devices and of the cloud's nodes."""

    requests: int
    violations: int
    edge_mj: Mapping[str, float]
    cloud_mj: Mapping[str, float]


@dataclass(frozen=True)
class Coverage:
    """A network's tables: on how many devices one is desired, and what these said of that very table."""

    network: str
    versions: int
    desired: int
    applied: int
    rejected: int
    rolled_back: int
    unanswered: int


@dataclass(frozen=True)
class Fleet:
    """The fleet at a moment, `at`, in seconds since the epoch."""

    at: float
    devices: DeviceCounts
    last_hour: Served
    last_day: Served
    networks: Sequence[Coverage]
    dead_letters: int
    alarms: Sequence[Alarm]


def summary(store: Store, *, at: float) -> Fleet:
    """How the fleet is, from indexed queries. ServiceMissing when the store is away."""
    devices = store.devices()
    versions = Counter(bundle.network for bundle in store.bundles())
    by_network = {network: standings(store, network) for network in sorted(versions)}
    return Fleet(
        at=at,
        devices=_counted(devices),
        last_hour=served(store, Selection(received_since=at - _HOUR_S), bucket_s=_HOUR_S),
        last_day=served(store, Selection(received_since=at - _DAY_S), bucket_s=_DAY_S),
        networks=[_coverage(network, versions[network], found) for network, found in by_network.items()],
        dead_letters=store.count_dead_letters(),
        alarms=[
            *_vanished(devices),
            *(
                Alarm(name, AlarmKind.THROTTLED, None)
                for name in store.throttled_devices(received_since=at - _RECENT_S)
            ),
            *_failed(by_network),
        ],
    )


def _counted(devices: Sequence[Device]) -> DeviceCounts:
    by = Counter(device.availability for device in devices if device.registered)
    return DeviceCounts(
        registered=by.total(),
        online=by[Availability.ONLINE],
        offline=by[Availability.OFFLINE],
        stopped=by[Availability.STOPPED],
        unregistered=len(devices) - by.total(),
    )


def served(store: Store, selection: Selection, *, bucket_s: int) -> Served:
    """The inferences that are selected, summed up where they are; `bucket_s`: about how long a time they span."""
    buckets = store.inference_buckets(selection, bucket_s=bucket_s)
    return Served(
        requests=sum(bucket.count for bucket in buckets),
        violations=sum(bucket.violations for bucket in buckets),
        edge_mj=_summed(bucket.edge_mj for bucket in buckets),
        cloud_mj=_summed(bucket.cloud_mj for bucket in buckets),
    )


def _summed(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for part in parts:
        for kind, energy_mj in part.items():
            sums[kind] = sums.get(kind, 0.0) + energy_mj
    return sums


def _coverage(network: str, versions: int, found: Sequence[Standing]) -> Coverage:
    said = Counter(
        each.received.report.state if each.agrees and each.received else None for each in found if each.desired
    )
    return Coverage(
        network=network,
        versions=versions,
        desired=said.total(),
        applied=said[TableState.APPLIED],
        rejected=said[TableState.REJECTED],
        rolled_back=said[TableState.ROLLED_BACK],
        unanswered=said[None],
    )


def _vanished(devices: Sequence[Device]) -> list[Alarm]:
    """Of the registered ones; those that were never there have not vanished."""
    return [
        Alarm(device.name, AlarmKind.OFFLINE, device.last_seen)
        for device in devices
        if device.registered and device.availability is Availability.OFFLINE and device.last_seen is not None
    ]


def _failed(by_network: Mapping[str, Sequence[Standing]]) -> list[Alarm]:
    return [
        Alarm(
            each.name,
            AlarmKind(each.received.report.state.value),
            each.received.at,
            network,
            each.received.report.reason,
        )
        for network, found in by_network.items()
        for each in found
        if each.agrees and each.received and each.received.report.state is not TableState.APPLIED
    ]
