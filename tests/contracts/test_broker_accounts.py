"""What every keeper of the broker's accounts must do: in memory, and in Mosquitto's dynamic security plugin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cloud.broker.accounts import BrokerAccounts, MemoryAccounts
from cloud.broker.dynamic_security import DynamicSecurity
from protocol.errors import ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Kept:
    """Accounts, and whether the broker admits somebody."""

    accounts: BrokerAccounts
    admits: Callable[[str, str], bool]


def in_memory(_request: pytest.FixtureRequest) -> Kept:
    accounts = MemoryAccounts()
    return Kept(accounts, lambda user, password: accounts.passwords.get(user) == password)


def in_mosquitto(request: pytest.FixtureRequest) -> Kept:
    broker = request.getfixturevalue("shipped_broker")

    def admits(user: str, password: str) -> bool:
        said = threading.Event()
        bus = MqttBus(BrokerAddress.parse(broker.url(user, password)), client_id=f"test-{user}")
        bus._complain = lambda _words: said.set()  # type: ignore[method-assign]
        bus.on_connect(said.set)
        bus.start()
        assert said.wait(PATIENCE_S)
        connected = bus.connected
        bus.stop()
        return connected

    return Kept(DynamicSecurity(BrokerAddress.parse(broker.url("backend"))), admits)


@pytest.fixture(
    params=[in_memory, pytest.param(in_mosquitto, marks=pytest.mark.mosquitto)], ids=lambda make: make.__name__
)
def kept(request) -> Kept:
    return request.param(request)


def test_an_account_admits_with_its_password_and_no_other(kept):
    user = kept.accounts.add("pi-1", "right")

    assert kept.admits(user, "right")
    assert not kept.admits(user, "wrong")


def test_an_account_that_is_there_gets_the_new_password(kept):
    kept.accounts.add("pi-1", "old")

    user = kept.accounts.add("pi-1", "new")

    assert kept.admits(user, "new")
    assert not kept.admits(user, "old")


def test_a_removed_account_admits_nobody(kept):
    user = kept.accounts.add("pi-1", "right")

    assert kept.accounts.remove("pi-1") is True

    assert not kept.admits(user, "right")
    assert kept.accounts.remove("pi-1") is False


def test_a_removed_device_may_come_back(kept):
    kept.accounts.add("pi-1", "old")
    kept.accounts.remove("pi-1")

    assert kept.admits(kept.accounts.add("pi-1", "new"), "new")


@pytest.mark.parametrize("name", ["backend", "ingest", "cloud", "admin"])
def test_a_device_named_like_a_service_takes_nobodys_account(kept, name):
    assert kept.accounts.add(name, "x") not in ("backend", "ingest", "cloud", "admin")


@pytest.mark.exhaustive
def test_a_broker_that_is_away_is_a_missing_service():
    nobody = DynamicSecurity(BrokerAddress.parse("mqtt://backend:x@127.0.0.1:9"), patience_s=0.2)

    with pytest.raises(ServiceMissing, match=r"127\.0\.0\.1:9"):
        nobody.add("pi-1", "x")


@pytest.mark.mosquitto
def test_a_user_who_may_not_change_accounts_is_told(shipped_broker):
    accounts = DynamicSecurity(BrokerAddress.parse(shipped_broker.url("ingest")), patience_s=1.0)

    with pytest.raises(ServiceMissing, match="may the backend's user"):
        accounts.add("pi-1", "x")


@pytest.mark.mosquitto
def test_a_connected_device_is_thrown_out_with_its_account(shipped_broker):
    accounts = DynamicSecurity(BrokerAddress.parse(shipped_broker.url("backend")))
    bus = MqttBus(BrokerAddress.parse(shipped_broker.url(accounts.add("pi-1", "x"), "x")), client_id="test")
    there, tick = threading.Event(), threading.Event()
    bus.on_connect(there.set)
    bus.start()
    assert there.wait(PATIENCE_S)

    accounts.remove("pi-1")

    for _ in range(int(PATIENCE_S / 0.01)):
        if not bus.connected:
            break
        tick.wait(0.01)
    assert not bus.connected
    bus.stop()
