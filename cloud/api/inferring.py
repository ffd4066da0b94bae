"""Inference requests straight from the server: what is asked most often does without a web framework's routing and contexts.

A tail leaves nothing in the processor's caches, so that each line before and after it costs its callers several times what it
does in a loop. Everything else goes to the app behind.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from werkzeug.wsgi import get_input_stream

from cloud.access.scopes import Scope
from cloud.api import tracing
from cloud.api.access import peer_of
from cloud.api.errors import Refusals
from cloud.front.arrival import ReceivedBody
from cloud.inference.answering import Answer, TailRequest
from cloud.services import Services
from cloud.store.bundles.port import StoredBundle
from cloud.waiting import WouldWait, about_to_wait
from protocol.content_encoding import CONTENT_ENCODING, compressed_as_accepted, encoding_for
from protocol.errors import DynaSplitError, TryLater
from protocol.inference import HEADER_LENGTH, Message, pack_reply
from protocol.request_ids import REQUEST_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ENDPOINT = "inference_v2.infer"
"""As it is counted."""

NEEDS = Scope.INFER

_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
_SHORT = re.compile(r"[0-9]{1,4}")
"""JSON of less bytes than that takes no time to speak of."""
_FRAMING = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in (HEADER_LENGTH, CONTENT_ENCODING)}
_REQUEST_ID = f"HTTP_{REQUEST_ID.upper().replace('-', '_')}"


class Inferring:
    """WSGI (PEP 3333): answers `POST …/infer`, hands all else to `behind`. Errors leave it as from the app."""

    def __init__(self, made: Services, refusals: Refusals, behind: WSGIApplication) -> None:
        self._made = made
        self._refusals = refusals
        self._behind = behind

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        named = _PATH.fullmatch(_path(environ)) if environ["REQUEST_METHOD"] == "POST" else None
        if named is None:
            return self._behind(environ, start_response)
        inference = _Inference(self._made, environ, named[1], named[2] or "")
        try:
            body, headers = inference.answered()
            status = "200 OK"
        except WouldWait:
            tracing.end()
            raise
        except Exception as error:  # noqa: BLE001 - the outermost place of a request: whatever it is, its caller is told
            refusal = self._refusals.of(error)
            body, headers, status = refusal.body, refusal.all_headers, refusal.status_line
        start_response(status, [*headers, (REQUEST_ID, inference.request_id)])
        return inference.sent(body, int(status[:3]))


@dataclass(frozen=True)
class _Done:
    """An inference that was answered with outputs."""

    bundle: StoredBundle
    answer: Answer
    took_s: float


class _Inference:
    """One request. What nobody waits for is done when the answer is sent."""

    def __init__(self, made: Services, environ: WSGIEnvironment, network: str, version: str) -> None:
        self._made = made
        self._environ = environ
        self._network = network
        self._version = version
        self._began_s = time.perf_counter()
        self._caller: str | None = None
        self._asked: TailRequest | None = None
        self._done: _Done | None = None
        self._broke: DynaSplitError | None = None
        self.request_id = tracing.begin(environ.get(_REQUEST_ID))

    def answered(self) -> tuple[bytes, list[tuple[str, str]]]:
        """The answer's body and headers; raises what `Refusals` makes an answer of."""
        made, environ = self._made, self._environ
        caller = made.guard.caller(environ.get("HTTP_AUTHORIZATION", ""), peer=peer_of(environ))
        self._caller = caller.name
        caller.must_have(NEEDS)
        answer = self._answer()
        wire = pack_reply(answer.reply)
        body, encoding = compressed_as_accepted(wire.body, environ.get("HTTP_ACCEPT_ENCODING", ""))
        headers = [*wire.headers.items(), ("Content-Length", str(len(body)))]
        return body, [*headers, (CONTENT_ENCODING, encoding)] if encoding else headers

    def sent(self, body: bytes, status: int) -> Iterator[bytes]:
        """The body; and, once the server has it, what is counted and logged. Who waits for it on this processor goes first."""
        try:
            yield body
            os.sched_yield()
        finally:
            self._count(status)
            tracing.end()

    def _answer(self) -> Answer:
        made = self._made
        framing = {name: self._environ[key] for name, key in _FRAMING.items() if key in self._environ}
        packed = CONTENT_ENCODING in framing or encoding_for(self._environ.get("HTTP_ACCEPT_ENCODING", ""))
        if packed or not _SHORT.fullmatch(framing.get(HEADER_LENGTH, "")):
            about_to_wait()
        try:
            with made.in_flight.one_of(self._caller or ""):
                received, started_s = self._received()
                limit_bytes = made.settings.max_body_bytes
                with made.unpacking.request(framing, received, limit_bytes=limit_bytes) as message:
                    return self._answer_to(message, started_s)
        except TryLater as error:
            self._broke = error
            raise

    def _answer_to(self, message: Message, started_s: float) -> Answer:
        made = self._made
        self._asked = asked = TailRequest.of(message.parameters)
        bundle = made.catalogue.find(self._network, version=self._version, digest=asked.bundle)
        try:
            manifest = made.bundles.manifest(bundle.digest)
            answer = made.answering.answer(message, asked, bundle=bundle, manifest=manifest, started_s=started_s)
        except DynaSplitError as error:
            made.statistics.failed(bundle.digest)
            self._broke = error
            raise
        took_s, waited_s, ran_s = made.answering.now_s() - started_s, answer.waited_s, answer.ran_s
        made.statistics.succeeded(bundle.digest, duration_s=took_s, waited_s=waited_s, ran_s=ran_s, at=time.time())
        self._done = _Done(bundle, answer, took_s)
        return answer

    def _received(self) -> tuple[bytes | memoryview, float]:
        """The body, and when its last byte was there; what the front has read is not copied. The rest takes as long as its
        sender does, in a thread of which there are few."""
        made, body = self._made, self._environ["wsgi.input"]
        if isinstance(body, ReceivedBody):
            return body.view, body.arrived_s
        with made.streamed.one_of(self._caller or ""):
            stream = get_input_stream(self._environ, max_content_length=made.settings.max_body_bytes)
            return stream.read(), made.answering.now_s()

    def _count(self, status: int) -> None:
        metrics, done, asked = self._made.metrics, self._done, self._asked
        metrics.answered(ENDPOINT, status)
        if self._broke:
            metrics.refused(self._broke)
        if done and asked:
            ran_s, waited_s = done.answer.ran_s, done.answer.waited_s
            metrics.inferred(done.bundle.network, asked.cut, took_s=done.took_s, waited_s=waited_s, ran_s=ran_s)
            told = done.answer.reply.parameters
            metrics.spent(told["cloud_node_mj"], told["cloud_energy_provenance"])
        if done or self._broke:
            metrics.queue(self._made.tails.line.wait_s())
        tracing.tell(
            "POST",
            self._environ["PATH_INFO"],
            status,
            ms=(time.perf_counter() - self._began_s) * 1e3,
            caller=self._caller,
            network=self._network,
            cut=asked.cut if asked else None,
        )


def _path(environ: WSGIEnvironment) -> str:
    """WSGI has the path's bytes as if they were Latin-1."""
    path: str = environ["PATH_INFO"]
    return path if path.isascii() else path.encode("latin-1").decode(errors="replace")
