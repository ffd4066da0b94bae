"""Smart plugs: what they say, in memory and on a real broker."""

import getpass
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hardware.clock import VirtualClock
from hardware.fakes.plugs import FakeShelly1, FakeShelly2, FakeTasmota
from hardware.power.meter import MeterLost
from hardware.power.opening import MeterSpec, close_meter, open_meter
from hardware.power.plug import PlugMeter
from hardware.power.shelly import shelly1, shelly2
from hardware.power.tasmota import tasmota
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus
from tools.stack import free_port

DEADLINE_S = 20.0
PLUGS = {"shelly1": FakeShelly1, "shelly2": FakeShelly2, "tasmota": FakeTasmota}
PROTOCOLS = {"shelly1": shelly1, "shelly2": shelly2, "tasmota": tasmota}


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


class World:
    """A plug and a meter on one hub, in virtual time."""

    def __init__(self, kind: str) -> None:
        self.clock, self.hub = VirtualClock(), InMemoryHub()
        its_bus, self.our_bus, self.spy = InMemoryBus(self.hub), InMemoryBus(self.hub), InMemoryBus(self.hub)
        self.plug = PLUGS[kind](its_bus, "plug", watts=4.0)
        self.meter = PlugMeter(self.our_bus, PROTOCOLS[kind]("plug"), clock=self.clock, sleep=self.clock.sleep)
        for bus in (its_bus, self.our_bus, self.spy):
            bus.start()

    def hear(self, topic: str, payload: bytes) -> float:
        self.plug.plugged = False
        self.spy.publish(topic, payload)
        return self.meter.read().watts


@pytest.mark.parametrize("kind", PLUGS)
def test_a_plug_is_heard_when_it_speaks_by_itself(kind):
    world = World(kind)
    world.plug.plugged = False
    world.plug.speak()

    assert world.meter.read().watts == 4.0


@pytest.mark.parametrize("kind", PLUGS)
def test_a_plug_is_asked_once_a_second_while_it_is_read(kind):
    world, asked = World(kind), []
    world.spy.subscribe(PROTOCOLS[kind]("plug").ask_topic, lambda *message: asked.append(message))

    for _ in range(50):
        world.meter.read()
        world.clock.sleep(0.1)

    assert len(asked) == 5


@pytest.mark.parametrize("kind", PLUGS)
def test_a_plug_that_says_nothing_is_lost_after_a_while_and_the_first_read_alone_waits(kind):
    world = World(kind)
    world.plug.plugged = False

    with pytest.raises(MeterLost, match="said nothing yet"):
        world.meter.read()
    waited_s = world.clock()
    with pytest.raises(MeterLost):
        world.meter.read()

    assert (waited_s, world.clock()) == (pytest.approx(3.0, abs=0.05), waited_s)


@pytest.mark.parametrize("kind", PLUGS)
def test_a_plug_whose_broker_is_away_is_lost(kind):
    world = World(kind)
    world.meter.read()
    world.our_bus.stop()
    world.clock.sleep(30)

    with pytest.raises(MeterLost, match="broker cannot be reached"):
        world.meter.read()


@pytest.mark.parametrize(
    ("kind", "topic", "nonsense"),
    [
        ("shelly1", "shellies/plug/relay/0/power", b"nan"),
        ("shelly1", "shellies/plug/relay/0/power", b""),
        ("shelly2", "plug/status/switch:0", b"{"),
        ("shelly2", "plug/status/switch:0", b'{"apower": "4"}'),
        ("shelly2", "plug/events/rpc", b'{"method": "NotifyEvent", "params": {"events": []}}'),
        (
            "shelly2",
            "plug/events/rpc",
            b'{"method": "NotifyStatus", "params": {"switch:0": {"id": 0, "output": false}}}',
        ),
        ("shelly2", "plug/dynasplit/rpc", b'{"id": 1, "error": {"code": 404, "message": "No handler"}}'),
        ("tasmota", "tele/plug/SENSOR", b'{"Time": "2022-07-30T10:11:26", "DHT11": {"Temperature": 23.0}}'),
        ("tasmota", "stat/plug/STATUS10", b'{"StatusSNS": 7}'),
    ],
)
def test_a_message_without_power_changes_nothing(kind, topic, nonsense):
    world = World(kind)
    world.meter.read()
    world.plug.watts = 9.0

    assert world.hear(topic, nonsense) == 4.0


def test_a_shelly_of_generation_2_publishes_its_status_too():
    status = {"id": 0, "output": True, "apower": 8.9, "aenergy": {"total": 267.813}}

    assert World("shelly2").hear("plug/status/switch:0", json.dumps(status).encode()) == 8.9


@pytest.mark.parametrize("power", [26, [10, 11, 5]])
def test_a_tasmota_adds_up_its_phases(power):
    sensors = {"StatusSNS": {"Time": "2019-09-06T20:06:19", "ENERGY": {"Total": 0.003, "Power": power}}}

    assert World("tasmota").hear("stat/plug/STATUS8", json.dumps(sensors).encode()) == 26.0


@pytest.mark.parametrize(
    ("protocol", "topic"),
    [
        (shelly1("plug-s/1"), "shellies/plug-s/relay/1/power"),
        (shelly2("home/attic/plug"), "home/attic/plug/status/switch:0"),
        (shelly2("home/attic/plug/2"), "home/attic/plug/status/switch:2"),
    ],
)
def test_a_channel_and_a_prefix_of_several_parts_can_be_named(protocol, topic):
    assert topic in protocol.says


@pytest.fixture
def broker(tmp_path) -> Iterator[str]:
    with _mosquitto(tmp_path) as port:
        yield f"mqtt://meter:secret@127.0.0.1:{port}"


@pytest.fixture
def secure_broker(tmp_path, certificates) -> Iterator[str]:
    both = certificates / "server.pem"
    with _mosquitto(tmp_path, f"certfile {both}\nkeyfile {both}\nuser {getpass.getuser()}\n") as port:
        yield f"mqtts://meter:secret@127.0.0.1:{port}"


@contextmanager
def _mosquitto(folder, more: str = "") -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if not program:
        pytest.skip("no Mosquitto here: apt-get install mosquitto")
    port = free_port()
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{more}")
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listening(port))
        yield port
    finally:
        process.terminate()
        process.wait()


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.mosquitto
@pytest.mark.parametrize("kind", PLUGS)
def test_a_plug_on_a_real_broker_is_opened_and_read(broker, kind):
    bus, ready = MqttBus(BrokerAddress.parse(broker), client_id="plug"), threading.Event()
    PLUGS[kind](bus, "plug", watts=4.5)
    bus.on_connect(ready.set)
    bus.start()
    assert ready.wait(DEADLINE_S)

    meter = open_meter(MeterSpec.parse(f"{kind}:plug", broker_url=broker))

    assert meter.read().watts == 4.5
    close_meter(meter)
    bus.stop()


@pytest.mark.mosquitto
def test_a_plug_behind_an_authority_of_ones_own_is_heard(secure_broker, certificates):
    ca_file = certificates / "ca.pem"
    bus, ready = MqttBus(BrokerAddress.parse(secure_broker, ca_file=ca_file), client_id="plug"), threading.Event()
    PLUGS["shelly2"](bus, "plug", watts=4.5)
    bus.on_connect(ready.set)
    bus.start()
    assert ready.wait(DEADLINE_S)

    meter = open_meter(MeterSpec.parse("shelly2:plug", broker_url=secure_broker, ca_file=ca_file))

    assert meter.read().watts == 4.5
    close_meter(meter)
    bus.stop()
