"""What Home Assistant needs to know to show a device: the payload of MQTT discovery in its device form.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload: `dev` and `o` are required, each component has its
platform (`p`) and a `unique_id`; the topic of the state, the availability and the QoS are shared. A value that a template
renders as None is unknown. Device classes and their units: https://www.home-assistant.io/integrations/sensor/#device-class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from protocol import topics
from protocol.presence import Availability

_AVAILABLE = "{{ 'online' if value == 'online' else 'offline' }}"
"""A device that was stopped is no more available than one that vanished."""

_SENSORS: Mapping[str, Mapping[str, Any]] = {
    "power": {
        "name": "Power",
        "device_class": "power",
        "unit_of_measurement": "W",
        "state_class": "measurement",
        "suggested_display_precision": 2,
        "value_template": "{{ value_json.power.watts }}",
    },
    "energy": {
        "name": "Energy",
        "device_class": "energy",
        "unit_of_measurement": "kWh",
        "state_class": "total_increasing",
        "suggested_display_precision": 3,
        "value_template": "{{ value_json.power.energy_kwh }}",
    },
    "latency": {
        "name": "Latency",
        "device_class": "duration",
        "unit_of_measurement": "ms",
        "state_class": "measurement",
        "suggested_display_precision": 1,
        "value_template": "{{ value_json.requests.median_ms }}",
    },
    "last_latency": {
        "name": "Last latency",
        "device_class": "duration",
        "unit_of_measurement": "ms",
        "suggested_display_precision": 1,
        "value_template": "{{ value_json.requests.last_ms }}",
    },
    "requests": {
        "name": "Requests",
        "state_class": "total_increasing",
        "value_template": "{{ value_json.requests.count }}",
    },
    "violations": {
        "name": "Deadlines missed",
        "state_class": "total_increasing",
        "value_template": "{{ value_json.requests.violations }}",
    },
    "clock": {
        "name": "Clock",
        "device_class": "frequency",
        "unit_of_measurement": "kHz",
        "state_class": "measurement",
        "entity_category": "diagnostic",
        "value_template": "{{ value_json.cpu_khz }}",
    },
    "temperature": {
        "name": "Temperature",
        "device_class": "temperature",
        "unit_of_measurement": "°C",
        "state_class": "measurement",
        "entity_category": "diagnostic",
        "value_template": "{{ value_json.temperature_c }}",
    },
}

_THROTTLED: Mapping[str, Any] = {
    "p": "binary_sensor",
    "name": "Throttled",
    "device_class": "problem",
    "entity_category": "diagnostic",
    "value_template": "{{ 'ON' if value_json.throttled else 'OFF' }}",
}


def config_topic(device: str, prefix: str) -> str:
    """Where the payload goes, retained."""
    return f"{prefix}/device/{topics.check_name(device, what='device')}/config"


def status_topic(prefix: str) -> str:
    """Where Home Assistant says `online` after its start."""
    return f"{prefix}/status"


def payload(device: str, *, model: str, version: str, networks: Iterable[str]) -> dict[str, Any]:
    """Everything that is shown of a device: its state's figures, and the version of each network's table."""
    components = {name: {"p": "sensor", **sensor} for name, sensor in _SENSORS.items()}
    components["throttled"] = dict(_THROTTLED)
    components.update((f"table_{network}", _table(network)) for network in sorted(networks))
    return {
        "dev": {"ids": [f"dynasplit_{device}"], "name": device, "mf": "DynaSplit", "mdl": model, "sw": version},
        "o": {"name": "DynaSplit", "sw": version},
        "cmps": {name: {**each, "unique_id": f"dynasplit_{device}_{name}"} for name, each in components.items()},
        "state_topic": topics.state(device),
        "availability_topic": topics.availability(device),
        "availability_template": _AVAILABLE,
        "payload_available": Availability.ONLINE.value,
        "payload_not_available": Availability.OFFLINE.value,
        "qos": 1,
    }


def without(components: Mapping[str, str]) -> dict[str, Any]:
    """The entries that have Home Assistant remove components, given by name with their platforms: the platform alone."""
    return {name: {"p": platform} for name, platform in components.items()}


def _table(network: str) -> dict[str, Any]:
    """As text: a version is no quantity. Names of networks need no quoting."""
    return {
        "p": "sensor",
        "name": f"Table {network}",
        "entity_category": "diagnostic",
        "value_template": f"{{{{ value_json.tables.get('{network}') }}}}",
    }
