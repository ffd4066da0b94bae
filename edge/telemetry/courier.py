"""The courier: carries the outbox to the store, and carries again what the store did not confirm."""

from __future__ import annotations

import logging
import threading
import time

from edge.telemetry.outbox import Outbox
from edge.telemetry.outbox_file import OutboxFailed
from hardware.clock import Clock
from protocol import topics
from protocol.bus import Bus
from protocol.errors import InvalidInput
from protocol.messages import Ack, Telemetry

logger = logging.getLogger(__name__)

_BATCH_RECORDS = 200
_BATCH_BYTES = 256 * 1024
_WINDOW_RECORDS = 2000
_MOST_ON_WAY = 16
"""Messages that the broker may have to acknowledge yet: more would only lie in memory where the link is slow."""
_RESEND_LONGEST_S = 120.0


class Courier:
    """Sends batches over the bus; a record leaves the outbox only when it is acknowledged. Tends the outbox meanwhile.

    It sleeps until there is something to do: a new record, a connect, an acknowledgement, or the time to send again.
    `linger_s` is how long a new record waits for company; `resend_after_s` how long an acknowledgement may take before
    everything not confirmed is sent again, each time twice as patient while nothing is confirmed at all, and most patient while
    the broker itself has yet to acknowledge something: on a slow link it would be sent behind itself.
    """

    def __init__(
        self,
        outbox: Outbox,
        bus: Bus,
        *,
        device: str,
        linger_s: float = 0.1,
        resend_after_s: float = 10.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._bus = bus
        self._device = device
        self._linger_s = linger_s
        self._resend_after_s = resend_after_s
        self._clock = clock
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._reconnected = threading.Event()
        self._sent_id = 0
        self._progress_s = clock()
        self._patience_s = resend_after_s
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Begins to listen and to send; the bus may be started before or after."""
        self._outbox.on_append(self._work.set)
        self._bus.subscribe(topics.ack(self._device), self._acknowledged)
        self._bus.on_connect(self._connected)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; what was not confirmed stays in the outbox."""
        self._stopping.set()
        self._work.set()
        if self._thread.is_alive():
            self._thread.join()

    def _connected(self) -> None:
        self._reconnected.set()
        self._work.set()

    def _acknowledged(self, topic: str, payload: bytes) -> None:
        try:
            ack = Ack.from_bytes(payload)
        except InvalidInput as error:
            logger.warning("ignored a message on %s: %s", topic, error)
            return
        if self._let_go(ack):
            self._progress_s, self._patience_s = self._clock(), self._resend_after_s
        self._work.set()

    def _let_go(self, ack: Ack) -> int:
        """A disk that cannot take note of it costs a repeat: the records are sent again, and confirmed again."""
        try:
            return self._outbox.acknowledge(ack)
        except OutboxFailed as error:
            logger.warning("confirmed records stay: %s", error)
            return 0

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._work.wait(self._until_resend_s())
                self._work.clear()
                if not self._stopping.wait(self._linger_s):
                    self._outbox.tend()
                    self._send_what_waits()
            except OutboxFailed as error:
                logger.warning("telemetry waits: %s", error)
                self._stopping.wait(self._resend_after_s)
            except Exception:  # the outermost loop of this thread: telemetry must go on
                logger.exception("the courier stumbled; it goes on")
                self._stopping.wait(self._resend_after_s)

    def _send_what_waits(self) -> None:
        if self._reconnected.is_set() or self._until_resend_s() == 0.0:
            self._start_over()
        while self._bus.connected and not self._stopping.is_set():
            if not self._may_send_more() or not self._send_next():
                return

    def _may_send_more(self) -> bool:
        return self._bus.backlog < _MOST_ON_WAY and self._outbox.waiting(up_to_id=self._sent_id) < _WINDOW_RECORDS

    def _start_over(self) -> None:
        """After a reconnect, or when nobody confirmed for too long: the broker may have lost what was sent."""
        if not self._reconnected.is_set():
            self._patience_s = min(2 * self._patience_s, _RESEND_LONGEST_S)
        self._reconnected.clear()
        self._sent_id = 0
        self._progress_s = self._clock()

    def _send_next(self) -> bool:
        batch = self._outbox.batch(after_id=self._sent_id, max_records=_BATCH_RECORDS, max_bytes=_BATCH_BYTES)
        if batch is None:
            return False
        if self._sent_id == 0 or not self._outbox.waiting(up_to_id=self._sent_id):
            self._progress_s = self._clock()
        telemetry = Telemetry(self._device, batch.boot, batch.records)
        self._sent_id, before = batch.last_id, self._sent_id
        if not self._bus.publish(topics.telemetry(self._device), telemetry.to_bytes()):
            self._sent_id = before
            return False
        return True

    def _until_resend_s(self) -> float | None:
        """Seconds until unconfirmed records are sent again, or until it is worth another look; None while there are none, or no
        broker to send them to."""
        if not self._bus.connected or not self._outbox.waiting(up_to_id=self._sent_id):
            return None
        since_s = self._clock() - self._progress_s
        if since_s < self._patience_s:
            return self._patience_s - since_s
        return self._resend_after_s if self._bus.backlog and since_s < _RESEND_LONGEST_S else 0.0
