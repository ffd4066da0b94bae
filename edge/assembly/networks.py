"""The networks that the device serves: their bundles, the tables that it has, and those that it shall have."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from edge.assembly.device import Device
from edge.requests.bounds import Bounds
from edge.runners.port import Runners
from edge.settings import EdgeSettings
from edge.tables.bundles import BundleStore
from edge.tables.deciding import Tables, Trust
from edge.tables.desired import DesiredTables
from edge.tables.history import TableStore
from edge.tables.networks import Networks
from edge.tables.readiness import Readiness
from edge.tables.reports import Reports
from edge.tables.room import Room
from edge.tables.source import HttpSource
from protocol.bus import Bus


@dataclass(frozen=True, eq=False)
class Shelf:
    """What is served, the bundles it is served from, and what follows the tables that are desired."""

    networks: Networks
    bundles: BundleStore
    desired: DesiredTables


def open_networks(settings: EdgeSettings, bus: Bus, stack: ExitStack, *, device: Device, bounds: Bounds) -> Shelf:
    """Serves with the tables that are here, then with those that are desired."""
    store = TableStore(settings.data_dir / "tables")
    bundles, networks = _bundles(settings, store, device.runner, stack), Networks()
    tables = Tables(
        store,
        Readiness(bundles, capabilities=bounds.capabilities, limits=bounds.limits, warm=device.warm),
        networks,
        trust=Trust(settings.device, settings.operator_public_key),
    )
    return Shelf(networks, bundles, _follow(tables, settings, bus, stack))


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


def _follow(tables: Tables, settings: EdgeSettings, bus: Bus, stack: ExitStack) -> DesiredTables:
    reports = Reports(bus, device=settings.device)
    reports.start()
    resumed = tables.resume()
    for report in resumed:
        reports(report)
    desired = DesiredTables(tables, report=reports)
    for report in resumed:
        desired.warm(report.network)
    for network in tables.incomplete():
        desired.complete(network)
    desired.start(bus, device=settings.device)
    stack.callback(desired.stop)
    return desired
