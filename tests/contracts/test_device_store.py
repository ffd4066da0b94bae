"""What every store promises of devices and their labels, and of bundles that go: in memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.sql import SqlStore
from protocol.errors import Conflict, NotFound
from protocol.presence import Availability


@pytest.fixture
def store(migrated_or_memory: str | None) -> Iterator[Store]:
    made: Store = MemoryStore() if migrated_or_memory is None else SqlStore(migrated_or_memory)
    yield made
    made.close()


@pytest.fixture
def fleet(store: Store) -> Store:
    for number, labels in enumerate(({"site": "north", "kind": "camera"}, {"site": "north"}, {"site": "south"})):
        store.add_device(f"pi-{number}", token_sha256=f"{number}" * 64)
        store.set_labels(f"pi-{number}", labels)
    store.note_availability("heard-of", Availability.ONLINE, at=5.0)
    return store


def names(store: Store, **labels: str) -> list[str]:
    return [device.name for device in store.devices(labels=labels)]


def test_devices_are_gathered_by_all_of_their_labels(fleet):
    assert names(fleet, site="north") == ["pi-0", "pi-1"]
    assert names(fleet, site="north", kind="camera") == ["pi-0"]
    assert names(fleet, site="east") == []
    assert names(fleet) == ["heard-of", "pi-0", "pi-1", "pi-2"]


def test_a_device_is_registered_with_its_labels_and_only_once(store):
    store.add_device("pi-1", token_sha256="1" * 64, labels={"site": "north"})

    with pytest.raises(Conflict):
        store.add_device("pi-1", token_sha256="2" * 64, labels={"site": "south"})

    assert names(store, site="north") == ["pi-1"]
    assert names(store, site="south") == []


def test_registered_devices_are_counted_by_availability_and_those_never_heard_of_are_offline(fleet):
    fleet.note_availability("pi-0", Availability.ONLINE, at=6.0)

    assert dict(fleet.count_devices()) == {Availability.ONLINE: 1, Availability.OFFLINE: 2}


def test_no_devices_are_no_counts(store):
    assert dict(store.count_devices()) == {}


def test_labels_are_told_with_their_device(fleet):
    assert fleet.device("pi-0").labels == {"site": "north", "kind": "camera"}
    assert [dict(device.labels) for device in fleet.devices(labels={"kind": "camera"})] == [
        {"site": "north", "kind": "camera"}
    ]


def test_new_labels_replace_all_old_ones(fleet):
    fleet.set_labels("pi-0", {"kind": "kiosk"})

    assert fleet.device("pi-0").labels == {"kind": "kiosk"}
    assert names(fleet, site="north") == ["pi-1"]

    fleet.set_labels("pi-0", {})

    assert fleet.device("pi-0").labels == {}


def test_only_registered_devices_have_labels(fleet):
    for unknown in ("heard-of", "nobody"):
        with pytest.raises(NotFound, match=unknown):
            fleet.set_labels(unknown, {"site": "north"})


def test_labels_go_with_their_device(fleet):
    fleet.remove_device("pi-0", at=9.0)
    fleet.add_device("pi-0", token_sha256="a" * 64)

    assert fleet.device("pi-0").labels == {}


def test_a_removed_device_is_stopped_whatever_comes_in_of_it_until_its_name_is_registered_again(fleet):
    fleet.note_availability("pi-0", Availability.ONLINE, at=6.0)

    fleet.remove_device("pi-0", at=9.0)

    assert dict(fleet.count_devices()) == {Availability.OFFLINE: 2}
    assert (fleet.device("pi-0").availability, fleet.device("pi-0").last_seen) == (Availability.STOPPED, 6.0)
    fleet.note_availability("pi-0", Availability.OFFLINE, at=8.0)
    assert fleet.device("pi-0").availability is Availability.STOPPED
    fleet.note_availability("pi-0", Availability.ONLINE, at=10.0)
    assert fleet.device("pi-0").availability is Availability.STOPPED
    fleet.add_device("pi-0", token_sha256="a" * 64)
    fleet.note_availability("pi-0", Availability.ONLINE, at=11.0)
    assert fleet.device("pi-0").availability is Availability.ONLINE


def test_a_removed_device_that_was_never_heard_of_is_unknown(fleet):
    fleet.remove_device("pi-1", at=9.0)

    assert fleet.device("pi-1") is None


def test_one_device_is_told_by_its_name(fleet):
    heard, registered = fleet.device("heard-of"), fleet.device("pi-1")

    assert (heard.registered, heard.availability, heard.last_seen) == (False, Availability.ONLINE, 5.0)
    assert (registered.registered, registered.availability, registered.last_seen) == (True, Availability.OFFLINE, None)
    assert fleet.device("nobody") is None


def test_a_bundle_that_was_removed_is_not_there(store):
    first, second = (store.add_bundle(name * 64, network="digits") for name in "ab")

    store.remove_bundle(first.digest)

    assert store.bundles() == [second]
    assert store.add_bundle("c" * 64, network="digits").version == 3
    with pytest.raises(NotFound):
        store.remove_bundle(first.digest)
