"""The bus on a broker that lets in, answers little and breaks connections: what is sent, and kept, after the next connect."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus

DEADLINE_S = 20.0
CONNECT, PUBLISH, SUBSCRIBE = 0x10, 0x30, 0x80
CONNACK, SUBACK, PUBACK = b"\x20\x02\x00\x00", b"\x90\x03%b\x01", b"\x40\x02%b"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


@dataclass(frozen=True)
class Heard:
    """A message that reached the broker; connections are counted from 1."""

    connection: int
    topic: str
    payload: bytes


class RudeBroker:
    """Lets every client in, unless it is `mute`, and acknowledges no message unless it is `polite` (MQTT 3.1.1, chapter 3). It
    breaks a connection when told, or each at once if it is `hostile`."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = BrokerAddress("127.0.0.1", self._listening.getsockname()[1])
        self.heard: list[Heard] = []
        self.connections = 0
        self.hostile = self.polite = self.mute = False
        self._client: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def break_off(self) -> None:
        """Ends the connection that stands."""
        if self._client:
            self._client.shutdown(socket.SHUT_RDWR)

    def send(self, packet: bytes) -> None:
        if self._client:
            self._client.sendall(packet)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self.break_off()
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                with client, client.makefile("rb") as stream, suppress(OSError, EOFError):
                    self._client = client
                    self._answer(client, stream)

    def _answer(self, client, stream) -> None:
        while True:
            kind, content = _packet(stream)
            if kind == CONNECT:
                self.connections += 1
                if self.mute:
                    return
                client.sendall(CONNACK)
                if self.hostile:
                    return
            elif kind == SUBSCRIBE:
                client.sendall(SUBACK % content[:2])
            elif kind == PUBLISH:
                end = 2 + int.from_bytes(content[:2], "big")
                self.heard.append(Heard(self.connections, content[2:end].decode(), content[end + 2 :]))
                if self.polite:
                    client.sendall(PUBACK % content[end : end + 2])


def _packet(stream) -> tuple[int, bytes]:
    """A packet's kind, without its flags, and what follows its length."""
    first = _exactly(stream, 1)[0]
    length = shift = 0
    while True:
        byte = _exactly(stream, 1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first & 0xF0, _exactly(stream, length)


def _exactly(stream, count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content


@pytest.fixture
def broker() -> Iterator[RudeBroker]:
    made = RudeBroker()
    yield made
    made.close()


@pytest.fixture
def now_s() -> list[float]:
    """The bus' clock: one figure."""
    return [0.0]


@pytest.fixture
def bus(broker, now_s, monkeypatch) -> Iterator[MqttBus]:
    """One that tries to connect again at once."""
    made = MqttBus(broker.address, client_id="device", clock=lambda: now_s[0])
    monkeypatch.setattr(made._client, "_reconnect_wait", lambda: time.sleep(0.01))
    yield made
    made.stop()


@pytest.mark.exhaustive
def test_after_a_reconnect_nothing_is_sent_that_was_published_before(broker, bus):
    """What was said before is older than what an on_connect callback says now, and the broker would keep the older."""
    word = [b"applied"]
    bus.on_connect(lambda: bus.publish("reported", word[0], retain=True))
    bus.start()
    wait_until(lambda: Heard(1, "reported", b"applied") in broker.heard)

    word[0] = b"rolled back"
    broker.break_off()
    wait_until(lambda: broker.connections == 2 and bus.connected)
    assert bus.publish("end", b"")
    wait_until(lambda: Heard(2, "end", b"") in broker.heard)

    assert [each.payload for each in broker.heard if each.connection == 2] == [b"rolled back", b""]


@pytest.mark.exhaustive
def test_messages_that_nobody_acknowledges_do_not_pile_up_over_connections(broker, bus):
    bus.start()
    for connection in range(1, 6):
        wait_until(lambda: broker.connections == connection and bus.connected)  # noqa: B023 - called at once
        for number in range(50):
            assert bus.publish("telemetry", str(number).encode())
        broker.break_off()
    wait_until(lambda: broker.connections == 6 and bus.connected)
    assert bus.publish("end", b"")
    wait_until(lambda: Heard(6, "end", b"") in broker.heard)

    assert [each.topic for each in broker.heard if each.connection == 6] == ["end"]


def test_a_message_that_must_arrive_is_waited_for(broker, bus):
    bus.start()
    wait_until(lambda: bus.connected)
    assert not bus.publish("desired", b"1", retain=True, patience_s=0.05)
    broker.polite = True
    assert bus.publish("desired", b"1", retain=True, patience_s=DEADLINE_S)


def test_what_is_on_its_way_counts_until_the_broker_has_it_or_the_connection_is_gone(broker, bus):
    bus.start()
    wait_until(lambda: bus.connected)
    for number in range(40):
        assert bus.publish("telemetry", str(number).encode())
    assert bus.backlog == 40
    broker.break_off()
    wait_until(lambda: broker.connections == 2 and bus.connected)
    assert bus.backlog == 0

    broker.polite = True
    for number in range(200):
        assert bus.publish("telemetry", str(number).encode())
    wait_until(lambda: bus.backlog == 0)


@pytest.mark.exhaustive
def test_a_callback_that_raises_does_not_end_the_bus(broker, bus):
    bus.on_connect(lambda: 1 / 0)
    bus.on_connect(lambda: bus.publish("state", b"1"))
    bus.start()
    wait_until(lambda: Heard(1, "state", b"1") in broker.heard)
    broker.break_off()
    wait_until(lambda: Heard(2, "state", b"1") in broker.heard)
    assert bus.alive


def test_a_topic_that_is_no_text_does_not_end_the_bus(broker, bus):
    got: list[bytes] = []
    bus.subscribe("state", lambda _topic, payload: got.append(payload))
    bus.start()
    wait_until(lambda: bus.connected)
    broker.send(b"\x30\x05\x00\x02\xff\xfe1")
    broker.send(b"\x30\x08\x00\x05state2")
    wait_until(lambda: got == [b"2"])


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bus_whose_thread_ended_is_not_alive(broker, bus, monkeypatch):
    bus.start()
    wait_until(lambda: bus.connected)
    assert bus.alive

    def fail() -> None:
        raise MemoryError

    monkeypatch.setattr(bus._client, "loop_misc", fail)
    wait_until(lambda: not bus.alive)


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What stands in the log from INFO on, by a few words of each line."""
    words = ("connected to", "lost broker", "breaks each connection")
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    return [next(each for each in words if each in line) for line in lines]


def test_a_broker_that_breaks_each_connection_is_tried_less_often_and_named_once(broker, bus, caplog):
    caplog.set_level(logging.INFO)
    broker.hostile = True
    bus.start()
    wait_until(lambda: broker.connections > 8)
    assert _said(caplog) == ["connected to", "lost broker", "connected to", "breaks each connection"]
    assert "call itself device" in caplog.text
    wait_until(lambda: bus._client._reconnect_min_delay == 20)


def test_after_a_connection_that_lasted_it_is_tried_at_once_again(broker, bus, now_s, caplog):
    broker.hostile = True
    bus.start()
    wait_until(lambda: broker.connections > 4)
    broker.hostile = False
    wait_until(lambda: bus.publish("state", b"1") and bool(broker.heard))
    caplog.set_level(logging.INFO)
    caplog.clear()

    now_s[0] = 1000.0
    broker.break_off()
    count = broker.connections
    wait_until(lambda: broker.connections > count and bus.connected)

    assert _said(caplog) == ["lost broker", "connected to"]
    assert bus._client._reconnect_min_delay == 1


def test_a_port_that_takes_connections_and_lets_nobody_in_is_named_once(broker, bus, caplog):
    """As a TLS listener does when it hears plain MQTT, and a web server."""
    broker.mute = True
    bus.start()
    wait_until(lambda: broker.connections > 3)
    assert caplog.text.count("ended it before it let anybody in") == 1
    assert "mqtts://" in caplog.text
