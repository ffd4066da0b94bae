"""The MQTT topics: `dynasplit/v1/<device>/…`."""

from __future__ import annotations

import re

from protocol.errors import InvalidInput

ROOT = "dynasplit/v1"
HOME_ASSISTANT = "homeassistant"
"""What the topics of MQTT discovery begin with where nobody chose otherwise."""

INGEST = "dynasplit-ingest"
"""The group among which ingest processes divide telemetry."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_name(name: str, *, what: str) -> str:
    """`name` when it may stand in topics, paths and URLs; InvalidInput otherwise."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{what} {name!r:.80} must be 1 to 64 letters, digits, '_', '.' or '-', first a letter or digit"
        )
    return name


def check_prefix(prefix: str, *, what: str) -> str:
    """`prefix` when topics may begin with it; InvalidInput otherwise (MQTT 3.1.1, section 4.7)."""
    if not prefix or prefix.startswith(("/", "$")) or prefix.endswith("/") or set(prefix) & {"+", "#", "\0"}:
        raise InvalidInput(f"{what} must be a topic without wildcards, such as {HOME_ASSISTANT}, not {prefix!r:.60}")
    return prefix


def availability(device: str) -> str:
    """Retained: `online`, `offline` (the last will) or `stopped`, as `protocol.presence` tells them apart."""
    return _topic(device, "availability")


def state(device: str) -> str:
    """Retained: the device's latest state."""
    return _topic(device, "state")


def telemetry(device: str) -> str:
    """Batches from the outbox, QoS 1."""
    return _topic(device, "telemetry")


def ack(device: str) -> str:
    """Sequence ranges that the store has committed."""
    return _topic(device, "ack")


def desired(device: str, network: str) -> str:
    """Retained: the signed table that the device shall use."""
    return _topic(device, f"table/desired/{network if network == '+' else check_name(network, what='network')}")


def reported(device: str, network: str) -> str:
    """Retained: what the device did with the desired table."""
    return _topic(device, f"table/reported/{network if network == '+' else check_name(network, what='network')}")


def job(device: str) -> str:
    """Retained: the jobs of a device that are not finished."""
    return _topic(device, "job")


def job_reported(device: str) -> str:
    """How far a job is."""
    return _topic(device, "job/reported")


def written_by(device: str) -> tuple[str, ...]:
    """What a device may publish, and nothing else; `+` stands for one level."""
    own = (availability(device), state(device), telemetry(device), reported(device, "+"), job_reported(device))
    return (*own, f"{HOME_ASSISTANT}/device/{check_name(device, what='device')}/config")


def read_by(device: str) -> tuple[str, ...]:
    """What a device may subscribe to, and nothing else."""
    return (ack(device), desired(device, "+"), job(device), f"{HOME_ASSISTANT}/status")


def device_of(topic: str) -> str:
    """The device that a topic belongs to; InvalidInput for a topic that is not ours."""
    parts = topic.split("/")
    if not topic.startswith(f"{ROOT}/") or len(parts) < 4:
        raise InvalidInput(f"topic {topic!r:.100} is not of the form {ROOT}/<device>/…")
    return check_name(parts[2], what="device")


def network_of(topic: str) -> str:
    """The network that a `table/…/<network>` topic is about."""
    parts = topic.split("/")
    if len(parts) != 6 or parts[3] != "table":
        raise InvalidInput(f"topic {topic!r:.100} is not about a table")
    return check_name(parts[5], what="network")


def matches(pattern: str, topic: str) -> bool:
    """Whether a subscription with `+` and `#` covers a topic (MQTT 3.1.1, section 4.7)."""
    wanted, given = pattern.split("/"), topic.split("/")
    for index, part in enumerate(wanted):
        if part == "#":
            return True
        if index >= len(given) or part not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


def _topic(device: str, rest: str) -> str:
    return f"{ROOT}/{device if device == '+' else check_name(device, what='device')}/{rest}"
