"""Home Assistant: the payload is what its documentation asks for, sent when it is needed, and taken back."""

from __future__ import annotations

import json

import jinja2
import pytest

from edge.telemetry.discovery import payload
from edge.telemetry.home_assistant import Announcements, HomeAssistant, Withdrawal
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.configuration import Provenance
from protocol.state import DeviceState, PowerState, RequestState

DEVICE = "pi-1"
TOPIC = "homeassistant/device/pi-1/config"
STATUS = "homeassistant/status"

UNITS = {"power": {"W", "kW"}, "energy": {"Wh", "kWh"}, "duration": {"ms", "s"}, "frequency": {"Hz", "kHz"}} | {
    "temperature": {"°C"}
}
"""Of the device classes in use, what the documentation of the sensor allows."""

SHARED = {"availability_topic", "availability_template", "payload_available", "payload_not_available"} | {
    "state_topic",
    "qos",
}
"""What may stand beside `dev`, `o` and `cmps`, of what is in use."""

SENSOR = {"p", "name", "unique_id", "device_class", "unit_of_measurement", "state_class", "value_template"} | {
    "suggested_display_precision",
    "entity_category",
}
STATE_CLASSES = {
    "energy": {"total", "total_increasing"},
    "power": {"measurement"},
    "temperature": {"measurement"},
    "frequency": {"measurement"},
    "duration": {"measurement", "total", "total_increasing", None},
    None: {"measurement", "total_increasing", None},
}


def made(*networks: str) -> dict:
    return payload(DEVICE, model="emulated-pi4", version="0.1.0", networks=networks)


def check_component(component: dict) -> None:
    assert set(component) <= SENSOR
    assert component["p"] in ("sensor", "binary_sensor")
    assert component["unique_id"]
    assert component["value_template"].startswith("{{")
    kind, unit = component.get("device_class"), component.get("unit_of_measurement")
    if component["p"] == "binary_sensor":
        assert (kind, unit) == ("problem", None)
        return
    assert unit in UNITS.get(kind, {None})
    assert component.get("state_class") in STATE_CLASSES[kind]


def test_the_payload_is_of_the_documented_form():
    announced = json.loads(json.dumps(made("digits", "net")))
    assert set(announced) == {"dev", "o", "cmps", *SHARED}
    assert announced["dev"]["ids"] and announced["dev"]["name"]
    assert announced["o"]["name"]
    for component in announced["cmps"].values():
        check_component(component)
    identities = [component["unique_id"] for component in announced["cmps"].values()]
    assert len(set(identities)) == len(identities)
    assert all(DEVICE in identity for identity in identities)


def test_what_was_asked_for_is_shown():
    components = made("digits")["cmps"]
    classes = {component.get("device_class") for component in components.values()}
    assert classes >= {"power", "energy", "duration", "frequency", "temperature", "problem"}
    assert components["energy"]["state_class"] == "total_increasing"
    assert "table_digits" in components


def test_every_template_finds_its_figure_in_the_state():
    power = PowerState("hwmon", Provenance.MEASURED, 3.5, 1.25, (Provenance.MEASURED,))
    state = DeviceState("0.1.0", 9.0, power, RequestState(7, 1, 41.0, 40.0), 600_000, 55.5, ("capped",), {"digits": 3})
    shown = {
        name: jinja2.Template(component["value_template"]).render(value_json=json.loads(state.to_bytes()))
        for name, component in made("digits", "net")["cmps"].items()
    }
    assert shown == {
        "power": "3.5",
        "energy": "1.25",
        "latency": "40.0",
        "last_latency": "41.0",
        "requests": "7",
        "violations": "1",
        "clock": "600000",
        "temperature": "55.5",
        "throttled": "ON",
        "table_digits": "3",
        "table_net": "None",
    }


@pytest.mark.parametrize(("word", "shown"), [("online", "online"), ("offline", "offline"), ("stopped", "offline")])
def test_a_stopped_device_is_unavailable_like_one_that_vanished(word, shown):
    announced = made()
    found = jinja2.Template(announced["availability_template"]).render(value=word)
    assert found == shown
    assert {announced["payload_available"], announced["payload_not_available"]} == {"online", "offline"}


class Later:
    """Notes what is to be done later, and does it when told."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, object]] = []

    def __call__(self, delay_s, act) -> None:
        self.waiting.append((delay_s, act))

    def happen(self) -> None:
        while self.waiting:
            self.waiting.pop(0)[1]()


class House:
    """A device and the broker that it shares with Home Assistant."""

    def __init__(self, folder) -> None:
        self.hub = InMemoryHub()
        self.path = folder / "home_assistant.json"
        self.networks = ["digits"]
        self.later = Later()
        self.states = 0
        self.sent: list[bytes] = []
        self.other = InMemoryBus(self.hub)
        self.other.subscribe(TOPIC, lambda _, content: self.sent.append(content))
        self.other.start()

    def device(self, *, prefix: str = "homeassistant"):
        bus = InMemoryBus(self.hub)
        home_assistant = HomeAssistant(
            bus,
            device=DEVICE,
            prefix=prefix,
            compose=lambda: made(*self.networks),
            tell_state=self._told,
            announcements=Announcements(self.path),
            delay_s=lambda: 2.5,
            after=self.later,
        )
        home_assistant.start()
        return bus, home_assistant

    def components(self, topic: str = TOPIC) -> dict:
        return json.loads(self.hub.retained[topic])["cmps"]

    def _told(self) -> None:
        self.states += 1


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_it_is_announced_after_every_connect(house):
    bus, _ = house.device()
    bus.start()
    bus.stop()
    bus.start()
    assert len(house.sent) == 2
    assert "table_digits" in house.components()


def test_it_is_announced_again_some_time_after_home_assistant_comes_back(house):
    bus, _ = house.device()
    bus.start()
    house.other.publish(STATUS, b"offline")
    house.other.publish(STATUS, b"online")
    assert [delay_s for delay_s, _ in house.later.waiting] == [2.5]
    assert len(house.sent) == 1
    house.later.happen()
    assert (len(house.sent), house.states) == (2, 1)


def test_a_new_network_is_announced_and_what_is_known_is_not_repeated(house):
    bus, home_assistant = house.device()
    bus.start()
    home_assistant.changed()
    assert len(house.sent) == 1
    house.networks.append("net")
    home_assistant.changed()
    assert "table_net" in house.components()


def test_a_component_that_is_gone_is_taken_back_by_name_over_restarts_too(house):
    bus, _ = house.device()
    bus.start()
    bus.stop()
    house.networks.clear()
    again, _ = house.device()
    again.start()
    assert house.components()["table_digits"] == {"p": "sensor"}


def test_another_prefix_takes_back_what_stood_under_the_old_one(house):
    bus, _ = house.device()
    bus.start()
    bus.stop()
    again, _ = house.device(prefix="ha")
    again.start()
    assert TOPIC not in house.hub.retained
    assert "power" in house.components("ha/device/pi-1/config")


def test_when_it_is_switched_off_the_device_is_taken_back_once(house):
    bus, _ = house.device()
    bus.start()
    bus.stop()
    for _ in range(2):
        off = InMemoryBus(house.hub)
        Withdrawal(off, Announcements(house.path), after=house.later).start()
        off.start()
        house.later.happen()
        off.stop()
    assert TOPIC not in house.hub.retained
    assert house.sent[1:] == [b""]


def test_a_device_that_was_not_taken_back_is_taken_back_with_the_next_connect(house):
    bus, _ = house.device()
    bus.start()
    bus.stop()
    off = InMemoryBus(house.hub)
    Withdrawal(off, Announcements(house.path), after=house.later).start()
    off.start()
    off.stop()
    house.later.happen()
    assert TOPIC in house.hub.retained

    off.start()
    house.later.happen()

    assert TOPIC not in house.hub.retained


def test_who_never_announced_anything_says_nothing(house):
    off = InMemoryBus(house.hub)
    Withdrawal(off, Announcements(house.path), after=house.later).start()
    off.start()
    house.later.happen()
    assert house.sent == []


def test_what_cannot_be_read_or_kept_does_not_stop_it(house):
    house.path.write_bytes(b"{")
    bus, _ = house.device()
    bus.start()
    assert "power" in house.components()
