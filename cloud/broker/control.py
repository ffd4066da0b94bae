"""Commands to Mosquitto's dynamic security plugin (https://mosquitto.org/documentation/dynamic-security/).

They are JSON on `$CONTROL/dynamic-security/v1`; the answers come on the topic `response` below it, each with the
`correlationData` of its command.
"""

from __future__ import annotations

import json
import queue
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from protocol.errors import ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus

COMMANDS = "$CONTROL/dynamic-security/v1"
RESPONSES = f"{COMMANDS}/response"

PATIENCE_S = 5.0

Answer = Mapping[str, Any]


class Control:
    """Sends commands, as a user who may; connects for each lot of them."""

    def __init__(self, address: BrokerAddress, *, patience_s: float = PATIENCE_S) -> None:
        self._address = address
        self._patience_s = patience_s

    def tell(self, commands: Sequence[Mapping[str, Any]], *, forgiven: Mapping[str, str]) -> list[Answer]:
        """An answer for each command, in no order; ServiceMissing for an error that is not `forgiven` (by command), and for none
        that answers. They may be done twice, where the connection ends between."""
        mark = uuid.uuid4().hex
        answers = self._answers([{**command, "correlationData": mark} for command in commands], mark)
        for answer in answers:
            command, error = str(answer.get("command")), str(answer.get("error", ""))
            if error and forgiven.get(command) != error:
                raise ServiceMissing(f"broker {self._address} refused to change its accounts: {command}: {error}")
        return answers

    def _answers(self, commands: Sequence[Mapping[str, Any]], mark: str) -> list[Answer]:
        heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        bus = MqttBus(self._address, client_id=f"dynasplit-accounts-{mark[:12]}")
        bus.subscribe(RESPONSES, lambda _topic, payload: heard.put(payload))
        request = json.dumps({"commands": commands}).encode()

        def ask() -> None:
            bus.publish(COMMANDS, request)

        bus.on_connect(ask)
        bus.start()
        try:
            return self._gathered(heard, mark, count=len(commands))
        finally:
            bus.stop()

    def _gathered(self, heard: queue.SimpleQueue[bytes], mark: str, *, count: int) -> list[Answer]:
        found: list[Answer] = []
        end_s = time.monotonic() + self._patience_s
        while len(found) < count:
            try:
                payload = heard.get(timeout=max(0.0, end_s - time.monotonic()))
            except queue.Empty:
                raise ServiceMissing(
                    f"broker {self._address} answered no change of its accounts within {self._patience_s:g} s: does it run the "
                    "dynamic security plugin, and may the backend's user send it commands?"
                ) from None
            found += [answer for answer in _responses(payload) if answer.get("correlationData") == mark]
        return found


def _responses(payload: bytes) -> list[Answer]:
    try:
        content = json.loads(payload)
    except ValueError:
        content = None
    found = content.get("responses") if isinstance(content, dict) else None
    return [answer for answer in found or [] if isinstance(answer, dict)]
