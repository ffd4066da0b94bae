"""Devices with a backlog, in a process of their own: all that they have arrives at once, in batches as the agent sends them.

Prints, as JSON, how long it took until ingest had acknowledged everything.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from dataclasses import replace

from protocol import topics
from protocol.configuration import Account, Codec, Configuration, Provenance
from protocol.errors import ServiceMissing
from protocol.measurement import FIGURES, Cost
from protocol.messages import Ack, Inference, Record, RecordKind, Telemetry
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus

BATCH = 200
"""Records of a message; the agent's courier sends as many."""
_RESEND_S = 10.0
_GIVE_UP_S = 120.0

_COST = Cost(
    4.512, 2.127, 1.508, 8.147, 3136, 212, 12.412, 3.871, 60.32, None, dict.fromkeys(FIGURES, Provenance.MEASURED)
)
_INFERENCE = Inference(
    network="digits",
    bundle="3f0c9d" * 10,
    strategy="dynasplit",
    account=Account.EDGE_NODE,
    configuration=Configuration(cut=10, cpu_khz=1_800_000, codec=Codec.INT8, threads=4),
    cost=_COST,
    deadline_ms=50.0,
    violation=False,
    fallback="",
    refused="",
    table_digest="a81b22" * 10,
    at=1_760_000_000.25,
    clock_synced=True,
    predicted_ms=8.31,
)


class Devices:
    """So many of them, with as many batches each; what is acknowledged is forgotten."""

    def __init__(self, bus: MqttBus, *, devices: int, records: int) -> None:
        self._bus = bus
        self._changed = threading.Condition()
        self._waiting = {
            (f"pi-{device}", first): _batch(f"pi-{device}", first, min(BATCH, records // devices - first))
            for first in range(0, records // devices, BATCH)
            for device in range(devices)
        }
        self.records = records // devices * devices
        self.bytes = sum(map(len, self._waiting.values()))
        self.resent = 0
        bus.subscribe(topics.ack("+"), self._hear)

    def send_all(self) -> float:
        """Seconds from the first message until the last acknowledgement; what nobody confirms is sent again."""
        started = time.monotonic()
        while self._waiting:
            with self._changed:
                batches, left = dict(self._waiting), len(self._waiting)
            for (device, _), payload in batches.items():
                self._bus.publish(topics.telemetry(device), payload)
            while left and self._progress(left):
                left = len(self._waiting)
            self.resent += left
            if time.monotonic() - started > _GIVE_UP_S:
                raise ServiceMissing(f"{left} of the batches were never acknowledged")
        return time.monotonic() - started

    def _progress(self, left: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self._waiting) < left, _RESEND_S)

    def _hear(self, topic: str, payload: bytes) -> None:
        device, ack = topics.device_of(topic), Ack.from_bytes(payload)
        with self._changed:
            for first, last in ack.ranges:
                for start in range(first - first % BATCH, last + 1, BATCH):
                    self._waiting.pop((device, start), None)
            self._changed.notify_all()


def _batch(device: str, first: int, count: int) -> bytes:
    records = tuple(
        Record(first + number, RecordKind.INFERENCE, replace(_INFERENCE, at=1.76e9 + first + number).to_json())
        for number in range(count)
    )
    return Telemetry(device, "123e4567-e89b-12d3-a456-426614174000", records).to_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--records", type=int, required=True)
    arguments = parser.parse_args()
    bus = MqttBus(BrokerAddress.parse(arguments.broker), client_id="devices")
    devices = Devices(bus, devices=arguments.devices, records=arguments.records)
    connected = threading.Event()
    bus.on_connect(connected.set)
    bus.start()
    if not connected.wait(_RESEND_S):
        return 1
    seconds = devices.send_all()
    bus.stop()
    found = {
        "seconds": round(seconds, 3),
        "records": devices.records,
        "bytes": devices.bytes,
        "resent_batches": devices.resent,
    }
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
