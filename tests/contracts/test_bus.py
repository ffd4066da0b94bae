"""What every bus must do, in memory, on Mosquitto and on the embedded broker, over one connection and over two."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol.bus import Bus, InMemoryBus, InMemoryHub, Will
from protocol.errors import InvalidInput, ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus
from protocol.mqtt.calls import offers_sharing, publish_once
from protocol.mqtt.pair import MqttPair
from tools.embedded_broker import write_password_file
from tools.stack import free_port

MakeBus = Callable[..., Bus]
DEADLINE_S = 20.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _broker(command: list[str], port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until(lambda: _listening(port))
    return process


def _mosquitto(tmp_path: Path, port: int) -> list[str]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if not program:
        pytest.skip("no Mosquitto here: apt-get install mosquitto")
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    return [program, "-c", str(settings)]


def _embedded(tmp_path: Path, port: int) -> list[str]:
    passwords = tmp_path / "passwords"
    write_password_file(passwords, {"cloud": "secret", "pi": "other"})
    arguments = ["--port", str(port), "--password-file", str(passwords), "--device", "pi"]
    return [sys.executable, "-m", "tools.embedded_broker", *arguments]


BROKERS = [
    pytest.param("embedded", marks=pytest.mark.exhaustive),
    pytest.param("mosquitto", marks=pytest.mark.mosquitto),
]


@pytest.fixture(scope="module")
def broker_url(tmp_path_factory) -> Iterator[Callable[[str], str]]:
    """Where a broker of a kind is; the tests share it, and leave nothing there."""
    running: dict[str, tuple[int, subprocess.Popen[bytes]]] = {}

    def url(kind: str) -> str:
        if kind not in running:
            command, port = _mosquitto if kind == "mosquitto" else _embedded, free_port()
            running[kind] = port, _broker(command(tmp_path_factory.mktemp(kind), port), port)
        return f"mqtt://cloud:secret@127.0.0.1:{running[kind][0]}"

    yield url
    for _, process in running.values():
        process.terminate()
        process.wait()


@pytest.fixture(params=["memory", *BROKERS, pytest.param("embedded, two connections", marks=pytest.mark.exhaustive)])
def make_bus(request, broker_url) -> Iterator[MakeBus]:
    """Makes buses that share one hub or broker."""
    broker, _, two = request.param.partition(", ")
    if broker == "memory":
        hub = InMemoryHub()
        yield lambda will=None: InMemoryBus(hub, will=will)
    else:
        yield from _on_broker(broker_url(broker), kind=MqttPair if two else MqttBus)


@pytest.fixture(params=["memory", pytest.param("mosquitto", marks=pytest.mark.mosquitto)])
def make_sharing_bus(request, broker_url) -> Iterator[MakeBus]:
    """The same, where groups can share."""
    if request.param == "memory":
        hub = InMemoryHub()
        yield lambda: InMemoryBus(hub)
    else:
        yield from _on_broker(broker_url(request.param))


@pytest.fixture(params=BROKERS)
def make_mqtt_bus(request, broker_url) -> Iterator[MakeBus]:
    """The same, on brokers alone."""
    yield from _on_broker(broker_url(request.param))


def _on_broker(url: str, *, kind: Callable[..., Bus] = MqttBus) -> Iterator[MakeBus]:
    made: list[Bus] = []

    def make(**will: Will) -> Bus:
        made.append(kind(BrokerAddress.parse(url), client_id=f"client-{uuid.uuid4()}", **will))
        return made[-1]

    yield make
    for bus in made:
        bus.stop()


def _started(bus: Bus) -> Bus:
    ready = threading.Event()
    bus.on_connect(ready.set)
    bus.start()
    assert ready.wait(DEADLINE_S)
    return bus


def test_a_message_reaches_who_subscribed(make_bus):
    got: list[tuple[str, bytes]] = []
    receiver, sender = make_bus(), make_bus()
    receiver.subscribe("dynasplit/v1/+/telemetry", lambda topic, payload: got.append((topic, payload)))
    _started(receiver)
    _started(sender)

    def sent() -> bool:
        sender.publish("dynasplit/v1/pi/telemetry", b"x" * 100_000)
        sender.publish("dynasplit/v1/pi/other", b"no")
        return bool(got)

    wait_until(sent)
    assert set(got) == {("dynasplit/v1/pi/telemetry", b"x" * 100_000)}


def test_a_retained_message_waits_for_late_subscribers(make_bus):
    sender, receiver, got = _started(make_bus()), _started(make_bus()), []
    assert sender.publish("dynasplit/v1/pi/state", b"1", retain=True)
    late: list[bytes] = []
    receiver.subscribe("dynasplit/v1/pi/#", lambda _topic, payload: got.append(payload))
    wait_until(lambda: b"1" in got)
    another = make_bus()
    another.subscribe("dynasplit/v1/pi/#", lambda _topic, payload: late.append(payload))
    _started(another)
    wait_until(lambda: b"1" in late)
    sender.publish("dynasplit/v1/pi/state", b"", retain=True)
    wait_until(lambda: b"" in late)


def test_nothing_is_published_before_the_bus_has_started(make_bus):
    bus = make_bus()
    assert not bus.connected
    assert bus.publish("dynasplit/v1/pi/state", b"1") is False


def test_a_stopped_bus_says_so(make_bus):
    bus = _started(make_bus())
    bus.stop()
    wait_until(lambda: not bus.connected)
    assert bus.publish("dynasplit/v1/pi/state", b"1") is False


def test_a_handler_that_raises_does_not_end_the_bus(make_mqtt_bus):
    bus, got = make_mqtt_bus(), []

    def handle(_topic: str, payload: bytes) -> None:
        got.append(payload)
        raise ValueError("a broken handler")

    bus.subscribe("dynasplit/v1/#", handle)
    _started(bus)
    wait_until(lambda: bus.publish("dynasplit/v1/pi/state", b"1") and len(got) > 1)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_handler_that_takes_its_time_holds_up_nothing_that_goes_out_by_another_connection(broker_url, broker):
    bus = MqttPair(BrokerAddress.parse(broker_url(broker)), client_id="pair")
    began, may_end = threading.Event(), threading.Event()

    def handle(_topic: str, _payload: bytes) -> None:
        began.set()
        may_end.wait(DEADLINE_S)

    bus.subscribe("dynasplit/v1/pi/telemetry", handle)
    _started(bus)
    wait_until(lambda: bus.publish("dynasplit/v1/pi/telemetry", b"1") and began.wait(0.01))

    said = [bus.publish("dynasplit/v1/pi/ack", b"%d" % number, patience_s=DEADLINE_S) for number in range(50)]

    assert all(said) and bus.backlog == 0
    may_end.set()
    bus.stop()


def test_a_will_is_published_when_its_owner_vanishes():
    hub = InMemoryHub()
    got: list[bytes] = []
    watcher = InMemoryBus(hub)
    watcher.subscribe("dynasplit/v1/+/availability", lambda _topic, payload: got.append(payload))
    watcher.start()
    device = InMemoryBus(hub, will=Will("dynasplit/v1/pi/availability", b"offline"))
    device.start()

    device.vanish()

    assert got == [b"offline"]


@pytest.mark.exhaustive
def test_one_message_from_a_process_that_seldom_publishes(make_mqtt_bus):
    receiver, got = make_mqtt_bus(), []
    receiver.subscribe("dynasplit/v1/#", lambda _topic, payload: got.append(payload))
    _started(receiver)
    publish_once(receiver._address, client_id="once", topic="dynasplit/v1/pi/state", payload=b"hello")
    wait_until(lambda: got == [b"hello"])


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
def impatient(monkeypatch):
    """Makes a bus that tries to connect again at once, with a count of its attempts."""
    buses: list[MqttBus] = []
    attempts: list[object] = []

    def make(url: str) -> tuple[MqttBus, list[object]]:
        buses.append(bus := MqttBus(BrokerAddress.parse(url), client_id="impatient"))
        bus._client.reconnect_delay_set(min_delay=1, max_delay=1)
        monkeypatch.setattr(bus._client, "_reconnect_wait", lambda: time.sleep(0.01))
        reconnect = bus._client.reconnect
        monkeypatch.setattr(bus._client, "reconnect", lambda: attempts.append(None) or reconnect())
        return bus, attempts

    yield make
    for bus in buses:
        bus.stop()


def test_a_broker_that_is_away_is_named_once_and_without_the_password(impatient, caplog):
    port = free_port()
    bus, attempts = impatient(f"mqtt://cloud:secret@127.0.0.1:{port}")
    bus.start()
    wait_until(lambda: len(attempts) > 5)
    (warning,) = _warnings(caplog)
    assert f"mqtt://127.0.0.1:{port} cannot be reached" in warning and "refused" in warning
    assert "secret" not in caplog.text


@pytest.mark.exhaustive
def test_a_broker_that_comes_and_goes_is_named_each_time(impatient, caplog, tmp_path):
    port = free_port()
    bus, attempts = impatient(f"mqtt://cloud:secret@127.0.0.1:{port}")
    bus.start()
    wait_until(lambda: len(attempts) > 2)
    process = _broker(_embedded(tmp_path, port), port)
    wait_until(lambda: bus.connected)
    process.kill()
    process.wait()
    wait_until(lambda: len(_warnings(caplog)) >= 3)
    assert [
        next(words for words in ("cannot be reached", "lost broker") if words in warning)
        for warning in _warnings(caplog)
    ] == ["cannot be reached", "lost broker", "cannot be reached"]


@pytest.mark.exhaustive
def test_a_broker_that_refuses_the_password_is_named_once(impatient, caplog, broker_url):
    bus, attempts = impatient(broker_url("embedded").replace("secret", "wrong"))
    bus.start()
    wait_until(lambda: len(attempts) > 3)
    bus.stop()
    assert ["check user and password" in warning for warning in _warnings(caplog)] == [True]


@pytest.mark.parametrize("url", ["mqtt://[::1", "mqtt://host:99999", "mqtt://a..b", "http://host", "mqtt://"])
def test_an_address_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(InvalidInput, match="broker URL") as caught:
        BrokerAddress.parse(url.replace("//", "//cloud:secret@"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_refused_in_one_line(tmp_path, content):
    ca_file = tmp_path / "ca.pem"
    if content:
        ca_file.write_text(content)

    with pytest.raises(InvalidInput, match="holds no certificates"):
        MqttBus(BrokerAddress.parse("mqtts://127.0.0.1", ca_file=ca_file), client_id="test")


@pytest.mark.parametrize("make_bus", ["memory", pytest.param("mosquitto", marks=pytest.mark.mosquitto)], indirect=True)
def test_what_was_published_right_before_the_end_arrives(make_bus):
    """Even behind more messages than a client has on their way at once; the embedded broker takes too long for so many."""
    receiver, sender = make_bus(), make_bus()
    heard: list[bytes] = []
    receiver.subscribe("dynasplit/v1/pi/#", lambda _topic, payload: heard.append(payload))
    for bus in (receiver, sender):
        bus.start()
    wait_until(lambda: receiver.connected and sender.connected)

    for number in range(40):
        sender.publish("dynasplit/v1/pi/state", str(number).encode())
    sender.publish("dynasplit/v1/pi/availability", b"stopped")
    sender.stop()

    wait_until(lambda: b"stopped" in heard)
    receiver.stop()


def test_a_group_divides_messages_among_its_members(make_sharing_bus):
    heard: list[list[bytes]] = [[], []]
    for mine in heard:
        member = make_sharing_bus()
        member.subscribe("dynasplit/v1/+/telemetry", lambda _topic, payload, mine=mine: mine.append(payload), group="g")
        member.start()
    outsider, everything = make_sharing_bus(), []
    outsider.subscribe("dynasplit/v1/+/telemetry", lambda _topic, payload: everything.append(payload))
    outsider.start()
    wait_until(lambda: outsider.connected)

    sent: list[bytes] = []

    def all_hear() -> bool:
        """Until the subscriptions of all stand."""
        sent.append(b"%d" % len(sent))
        outsider.publish("dynasplit/v1/pi-1/telemetry", sent[-1])
        return all(heard) and len(sent) > 20

    wait_until(all_hear)
    wait_until(lambda: everything and everything[-1] == sent[-1] and sent[-1] in heard[0] + heard[1])

    together = heard[0] + heard[1]
    assert len(together) == len(set(together))
    assert set(everything[-5:]) <= set(together)


@pytest.mark.parametrize(
    "offers", [pytest.param(True, marks=pytest.mark.mosquitto), pytest.param(False, marks=pytest.mark.exhaustive)]
)
def test_a_broker_is_asked_whether_it_shares(broker_url, offers):
    address = BrokerAddress.parse(broker_url("mosquitto" if offers else "embedded"))
    assert offers_sharing(address, client_id="asks", timeout_s=DEADLINE_S if offers else 0.5) is offers


@pytest.mark.exhaustive
def test_a_broker_that_lets_nobody_in_says_nothing_of_what_it_offers(broker_url):
    address = BrokerAddress.parse(broker_url("embedded").replace("secret", "wrong"))

    with pytest.raises(ServiceMissing, match="check user and password"):
        offers_sharing(address, client_id="asks", timeout_s=0.5)


@pytest.mark.exhaustive
def test_what_a_broker_will_not_share_comes_whole(broker_url, caplog):
    bus, heard = MqttBus(BrokerAddress.parse(broker_url("embedded")), client_id="one"), []
    try:
        bus.subscribe("dynasplit/v1/+/telemetry", lambda _topic, payload: heard.append(payload), group="g")
        bus.start()
        wait_until(lambda: bus.connected)

        wait_until(lambda: bus.publish("dynasplit/v1/pi/telemetry", b"x") and bool(heard))
    finally:
        bus.stop()
    assert "refuses the subscription to $share/g/dynasplit/v1/+/telemetry" in caplog.text
