"""Serving a request that is whole: in a thread, which may wait, or in the event loop's own, which must not."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from gunicorn.http.errors import NoMoreData  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from cloud.front.connection import Connection
from cloud.front.limits import Limits
from cloud.front.plain import PlainHeads
from cloud.front.refusals import refusal, status_of
from cloud.front.replying import Reply, Unsent
from cloud.front.sending import Answered, Sending
from cloud.waiting import WithoutWaiting, WouldWait

_FAILED = "the backend failed; its log says why"


@dataclass(frozen=True)
class AnsweredHere:
    """A request that the loop has answered: whether another one may follow, and what its reader has not taken yet."""

    more: bool
    unsent: Unsent


class Serving(ThreadWorker):  # type: ignore[misc]
    """The part of a worker that knows the app."""

    limits = Limits()

    def init_process(self) -> None:
        self._plain = PlainHeads(self.cfg)
        self._keepalive_s = self.cfg.keepalive
        super().init_process()

    def handle(self, connection: Connection) -> bool:
        """Serves a request; whether another one may follow. In a thread."""
        request = None
        try:
            sending = Sending(connection.sock, self.limits)
            environ = self._environ_of(connection)
            if environ is not None:
                self.nr += 1
                return Reply(sending.send_whole).of(self.wsgi, environ)
            request = connection.next_request(self.limits)
            more = self.handle_request(request, Answered(sending, connection.client, connection.server))
            sending.flush()
            return bool(more) and connection.is_read()
        except (NoMoreData, StopIteration, OSError) as error:
            self.log.debug("a connection ended: %s", error)
        except Exception as error:  # noqa: BLE001 - the outermost place of a request
            self.handle_error(request, connection.sock, connection.client, error)
        return False

    def _environ_of(self, connection: Connection) -> dict[str, Any] | None:
        """Of a plain request whose connection may stay once it is answered; gunicorn's are the words to end it with."""
        room = len(self.keepalived_conns) < self.max_keepalived and self.nr + 1 < self.max_requests
        return self._plain.environ_of(connection) if self.alive and self._keepalive_s and room else None

    def handle_error(self, _request: Any, client: Any, _address: Any, error: BaseException) -> None:
        status = status_of(error)
        if status == 500:
            self._tell(error)
        message = _FAILED if status == 500 else f"the request cannot be read: {error}"
        with contextlib.suppress(OSError):  # it has gone
            client.sendall(refusal(status, f"{message:.200}"))

    def _tell(self, error: BaseException) -> None:
        self.log.error("a request failed", exc_info=error)

    def answer_without_waiting(self, connection: Connection) -> AnsweredHere | None:
        """In the loop's thread; None for a request that a thread has to begin anew."""
        environ = self._environ_of(connection)
        if environ is None:
            return None
        unsent, more = Unsent(Sending(connection.sock, self.limits)), False
        try:
            with WithoutWaiting():
                more = Reply(unsent.send).of(self.wsgi, environ)
            self.nr += 1
        except WouldWait:
            return None
        except OSError as error:
            self.log.debug("a connection ended: %s", error)
        except Exception as error:  # noqa: BLE001 - the outermost place of a request
            self._tell(error)
            connection.send(refusal(500, _FAILED))
        return AnsweredHere(more, unsent)
