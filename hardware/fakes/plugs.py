"""Smart plugs that are not there, on any bus."""

from __future__ import annotations

import json
from typing import Any

from protocol.bus import Bus


class FakePlug:
    """What the plugs have in common: each draws `watts`, answers when it is asked while it is `plugged` in, and speaks by
    itself when told to by `speak`. The bus is its own connection; start it."""

    def __init__(self, bus: Bus, *, hears: str, watts: float) -> None:
        self.plugged = True
        self.watts = watts
        self._bus = bus
        bus.subscribe(hears, self._hear)

    def speak(self) -> None:
        """Publishes what it does of its own accord."""
        raise NotImplementedError

    def answer(self, payload: bytes) -> None:
        """Publishes what it was asked for."""
        raise NotImplementedError

    def _hear(self, _topic: str, payload: bytes) -> None:
        if self.plugged:
            self.answer(payload)


class FakeShelly1(FakePlug):
    """Generation 1: publishes plain numbers, all of them after `update`."""

    def __init__(self, bus: Bus, name: str, *, watts: float) -> None:
        super().__init__(bus, hears=f"shellies/{name}/command", watts=watts)
        self._topic = f"shellies/{name}/relay/0"

    def speak(self) -> None:
        self._bus.publish(self._topic, b"on")
        self._bus.publish(f"{self._topic}/power", b"%.2f" % self.watts)
        self._bus.publish(f"{self._topic}/energy", b"1234")

    def answer(self, payload: bytes) -> None:
        if payload == b"update":
            self.speak()


class FakeShelly2(FakePlug):
    """Generation 2 and later: answers remote calls, and notifies of changes."""

    def __init__(self, bus: Bus, prefix: str, *, watts: float) -> None:
        super().__init__(bus, hears=f"{prefix}/rpc", watts=watts)
        self._prefix = prefix

    def speak(self) -> None:
        changed = {"ts": 1_682_952_866.1, "switch:0": {"id": 0, "apower": self.watts}}
        self._say("events/rpc", {"src": self._prefix, "method": "NotifyStatus", "params": changed})

    def answer(self, payload: bytes) -> None:
        question = json.loads(payload)
        if question["method"] == "Switch.GetStatus" and question["params"] == {"id": 0}:
            status = {"id": 0, "output": True, "apower": self.watts, "voltage": 230.3, "aenergy": {"total": 267.813}}
            frame = {"id": question["id"], "src": self._prefix, "dst": question["src"], "result": status}
            self._bus.publish(f"{question['src']}/rpc", json.dumps(frame).encode())

    def _say(self, topic: str, content: dict[str, Any]) -> None:
        self._bus.publish(f"{self._prefix}/{topic}", json.dumps(content).encode())


class FakeTasmota(FakePlug):
    """Tasmota: answers `Status 10` with its sensors, and tells them by itself once in a while."""

    def __init__(self, bus: Bus, topic: str, *, watts: float) -> None:
        super().__init__(bus, hears=f"cmnd/{topic}/Status", watts=watts)
        self._topic = topic

    def speak(self) -> None:
        self._bus.publish(f"tele/{self._topic}/SENSOR", json.dumps(self._sensors()).encode())

    def answer(self, payload: bytes) -> None:
        if payload == b"10":
            sensors = {"StatusSNS": self._sensors()}
            self._bus.publish(f"stat/{self._topic}/STATUS10", json.dumps(sensors).encode())

    def _sensors(self) -> dict[str, Any]:
        energy = {"TotalStartTime": "2022-05-12T10:56:31", "Total": 0.003, "Power": self.watts, "Voltage": 236}
        return {"Time": "2022-07-30T10:11:26", "ENERGY": energy}
