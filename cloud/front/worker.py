"""gunicorn's threaded worker behind a reader: a request is served once all of it is there.

By itself `gthread` gives a connection a thread at its first byte and reads head and body there without a time limit, and its only
event loop waits up to two seconds for a client to hang up (gunicorn 27, `workers/gthread.py`, `util.close_graceful`): a few
clients that send slowly keep everybody out.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from gunicorn import sock as gunicorn_sock  # type: ignore[import-untyped]
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER  # type: ignore[import-untyped]

from cloud.front.arrival import Stage
from cloud.front.connection import Connection
from cloud.front.refusals import refusal
from cloud.front.serving import AnsweredHere, Serving
from cloud.front.threads import Threads

_SWEEP_S = 0.5
_READY = re.compile(rb"[A-Z]+ /(?:v2|metrics)[/? ]")
"""What is served whatever the database does: inference, health, metrics. Everything else may wait for it as long as it likes,
so that it has threads of its own."""


class Worker(Serving):
    """Serves HTTP/1.1, in TLS where gunicorn is given a certificate. All but `_handled` and `_flushed` runs in the event
    loop's thread."""

    def init_process(self) -> None:
        self._streams = Threads(self.limits.streams, waiting=self.limits.waiting)
        self._others = Threads(self.cfg.threads, waiting=self.limits.waiting)
        self._arriving: dict[Connection, None] = {}
        self._lingering: deque[Connection] = deque()
        self._whole: list[tuple[Connection, Threads]] = []
        self._held_bytes = 0
        self._swept_s = self._stopping_since_s = 0.0
        # Of those that gunicorn stops listening at; more are let go before that.
        self._most_connections = self.worker_connections * 3 // 4
        self._tls = gunicorn_sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
        super().init_process()

    def get_thread_pool(self) -> Threads:
        """For what `_READY` says."""
        return Threads(self.cfg.threads, waiting=self.limits.waiting)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Who comes when this worker ends is refused, unless another one listens."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self._stopping_since_s = time.monotonic()
            for listener in self.sockets:
                listener.close()

    def accept(self, listener: Any) -> None:
        try:
            client, address = listener.accept()
            connection = Connection(self.cfg, client, address, listener.getsockname(), tls=self._tls)
        except OSError:  # it has gone again
            return
        self.nr_conns += 1
        if self.nr_conns > self._most_connections:
            self._let_one_go()
        self._watch(connection, self._on_arriving)
        self._begin(connection)

    def _on_kept(self, connection: Connection) -> None:
        if connection not in self.keepalived_conns:  # another one's turn in this round of events has closed it
            return
        self.keepalived_conns.remove(connection)
        connection.then = self._on_arriving
        self._begin(connection)

    def _go_on(self, connection: Connection) -> None:
        """Another request may follow."""
        if connection.has_more():
            self._watch(connection, self._on_arriving)
            self._begin(connection)
        else:
            connection.forget()
            connection.set_timeout()
            if not self.alive:
                connection.timeout = min(connection.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
            self.keepalived_conns.append(connection)
            self._watch(connection, self._on_kept)

    def murder_pending(self) -> None:
        """Lets go whom nothing more is expected from; called at every turn of the loop."""
        now_s = time.monotonic()
        if now_s < self._swept_s + _SWEEP_S:
            return
        self._swept_s = now_s
        for connection in [each for each in self._arriving if self._takes_too_long(each, now_s)]:
            self._refuse(connection, 408, "the request did not arrive in time; send it faster")
        while self._lingering and self._lingering[0].timeout < now_s:
            self._close(self._lingering.popleft())

    def _takes_too_long(self, connection: Connection, now_s: float) -> bool:
        received_bytes = connection.arrival.received_bytes
        if not self.alive and now_s > self._stopping_since_s + (self.limits.stopping_s if received_bytes else 0.0):
            return True
        return self.limits.overdue(now_s - connection.began_s, received_bytes)

    def _begin(self, connection: Connection) -> None:
        self._arriving[connection] = None
        connection.begin(most_body_bytes=self.limits.body_bytes, now_s=time.monotonic())
        self._held_bytes += connection.arrival.received_bytes
        self._on_arriving(connection)

    def _on_arriving(self, connection: Connection) -> None:
        if connection not in self._arriving:
            return
        before = connection.arrival.received_bytes
        present = connection.read()
        self._held_bytes += connection.arrival.received_bytes - before
        stage = connection.arrival.stage
        if not present:
            self._drop(connection)
        elif stage is Stage.HEAD_TOO_LARGE:
            self._refuse(connection, 431, "the request's head is too large")
        elif stage is Stage.STREAMED and self._streams.is_full:
            self._refuse(connection, 503, "too many large or chunked requests wait; try again", retry_after_s=1)
        elif stage is Stage.STREAMED:
            self._serve(connection, self._streams)
        elif stage is Stage.WHOLE and not connection.takes_more():
            # Who asks on and on and reads no answer: a thread would wait for it. It may come again.
            self._leave(connection)
            self._linger(connection)
        elif stage is Stage.WHOLE:
            self._serve_whole(connection, self.tpool if _READY.match(connection.arrival.head) else self._others)
        self._keep_within_memory()

    def _serve_whole(self, connection: Connection, threads: Threads) -> None:
        if threads.is_full:
            self._turn_away(connection)
        else:
            self._serve(connection, threads)

    def _serve(self, connection: Connection, threads: Threads) -> None:
        threads.under_way += 1
        del self._arriving[connection]
        self._whole.append((connection, threads))

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """A thread gets its request when all that the loop has to do is to wait: were there more, each would take the
        interpreter from the other for some steps, and the loop ask for it all through the tail."""
        whole, self._whole = self._whole, []
        alone = len(whole) == 1 and self.tpool.under_way == 1
        for connection, threads in whole:
            if not (alone and threads is self.tpool and self._serves(connection)):
                self._unwatch(connection)
                threads.submit(partial(self._handled, connection, threads))
        super().wait_for_and_dispatch_events(0.0 if self._whole else timeout)

    def _serves(self, connection: Connection) -> bool:
        """Serves a request in the loop's own thread, if nothing there is waited for: the only one would keep all others from the
        interpreter in any thread, and two changes of threads cost it more than all that is read of it."""
        answered = self.answer_without_waiting(connection)
        if answered is None:
            return False
        if answered.unsent:
            self._unwatch(connection)
            self.tpool.submit(partial(self._flushed, connection, answered))
        else:
            self._served(connection, self.tpool, answered.more)
        return True

    def _flushed(self, connection: Connection, answered: AnsweredHere) -> None:
        """In a thread."""
        more = False
        try:
            answered.unsent.flush()
            more = answered.more
        except OSError as error:
            self.log.debug("a connection ended: %s", error)
        finally:
            self.method_queue.defer(self._served, connection, self.tpool, more)

    def _handled(self, connection: Connection, threads: Threads) -> None:
        """In a thread."""
        more = False
        try:
            more = self.handle(connection)
        finally:
            self.method_queue.defer(self._served, connection, threads, more)

    def _served(self, connection: Connection, threads: Threads, more: bool) -> None:
        threads.under_way -= 1
        self._held_bytes -= connection.arrival.received_bytes
        try:
            connection.sock.setblocking(False)
        except OSError:  # gunicorn has closed it, as the answer failed halfway
            self._close(connection)
            return
        if more:
            self._go_on(connection)
        else:
            self._linger(connection)

    def _turn_away(self, connection: Connection) -> None:
        """More wait for a thread than may; as the whole request is here, its connection stays."""
        self._leave(connection)
        connection.send(refusal(503, "too many requests wait; try again", retry_after_s=1, close=False))
        if connection.has_more():  # each of them would be turned away in turn
            self._linger(connection)
        else:
            self._go_on(connection)

    def _keep_within_memory(self) -> None:
        while self._held_bytes > self.limits.held_bytes:
            filling = _first(each for each in self._arriving if each.arrival.received_bytes)
            if filling is None:
                return
            self._refuse(filling, 503, "too much arrives at once; try again", retry_after_s=1)

    def _let_one_go(self) -> None:
        """Who was answered for good and has not hung up; else who has been here the longest without a whole request; a
        connection that is kept alive goes when there is none."""
        oldest = _first(self._arriving)
        if self._lingering:
            self._close(self._lingering.popleft())
        elif oldest is not None:
            self._drop(oldest)
        elif self.keepalived_conns:
            self._close(self.keepalived_conns.popleft())

    def _refuse(self, connection: Connection, status: int, message: str, *, retry_after_s: int = 0) -> None:
        self._leave(connection)
        if connection.arrival.received_bytes:
            connection.send(refusal(status, message, retry_after_s=retry_after_s))
        self._linger(connection)

    def _drop(self, connection: Connection) -> None:
        self._leave(connection)
        self._close(connection)

    def _leave(self, connection: Connection) -> None:
        del self._arriving[connection]
        self._held_bytes -= connection.arrival.received_bytes

    def _linger(self, connection: Connection) -> None:
        """Ends our half, then waits for the client's: closing would take back what it has not read (RFC 9112, 9.6)."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.forget()
        connection.timeout = time.monotonic() + self.limits.linger_s
        self._lingering.append(connection)
        self._watch(connection, self._on_lingering)

    def _on_lingering(self, connection: Connection) -> None:
        if connection in self._lingering and not connection.discard():
            self._lingering.remove(connection)
            self._close(connection)

    def _watch(self, connection: Connection, then: Callable[[Connection], None]) -> None:
        connection.then = then
        if not connection.watched:
            connection.watched = True
            self.poller.register(connection.sock, selectors.EVENT_READ, partial(_readable, connection))

    def _unwatch(self, connection: Connection) -> None:
        if connection.watched:
            connection.watched = False
            self.poller.unregister(connection.sock)

    def _close(self, connection: Connection) -> None:
        """The poller would keep its descriptor, which the next connection gets."""
        self._unwatch(connection)
        self.nr_conns -= 1
        connection.close()


def _readable(connection: Connection, _client: Any) -> None:
    connection.then(connection)


def _first(connections: Iterable[Connection]) -> Connection | None:
    return next(iter(connections), None)
