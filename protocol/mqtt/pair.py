"""The bus over two connections to a broker: one to hear by, one to speak by."""

from __future__ import annotations

from collections.abc import Callable

from protocol.bus import Handler
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus


class MqttPair:
    """A `Bus` for those to whom more comes in than they can take at once.

    On one connection the broker's word that it has a message stands behind all that came before it, and few messages may be on
    their way without that word: who hears a backlog would not get its own messages out before it has read all of it. A
    handler may also hold up what comes in here, and holds up nothing that goes out.
    """

    def __init__(self, address: BrokerAddress, *, client_id: str) -> None:
        self._ear = MqttBus(address, client_id=client_id, purpose="to hear")
        self._voice = MqttBus(address, client_id=f"{client_id}-speaks", purpose="to speak")

    @property
    def connected(self) -> bool:
        return self._ear.connected and self._voice.connected

    @property
    def backlog(self) -> int:
        return self._voice.backlog

    @property
    def alive(self) -> bool:
        """False once one of its threads has ended: nothing is heard or said any more then."""
        return self._ear.alive and self._voice.alive

    def start(self) -> None:
        self._voice.start()
        self._ear.start()

    def stop(self) -> None:
        self._ear.stop()
        self._voice.stop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, patience_s: float = 0.0) -> bool:
        return self._voice.publish(topic, payload, retain=retain, patience_s=patience_s)

    def subscribe(self, pattern: str, handler: Handler, *, group: str = "") -> None:
        self._ear.subscribe(pattern, handler, group=group)

    def on_connect(self, callback: Callable[[], None]) -> None:
        """Calls back when both stand, whichever came last."""

        def call() -> None:
            if self.connected:
                callback()

        self._ear.on_connect(call)
        self._voice.on_connect(call)
