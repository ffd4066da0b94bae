"""Inference requests straight from the server: what is asked most often does without a web framework's routing and contexts.

Of the agent's own time they took a fifth. Everything else goes to the app behind.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from edge.api import descriptions
from edge.api.refusals import failure, is_operator, refusal
from edge.api.served import Served
from edge.api.web_server import gone, waited_s
from edge.requests.asked import Asked
from edge.requests.decision import Answer
from protocol.content_encoding import CONTENT_ENCODING, MAX_BODY_BYTES
from protocol.errors import DynaSplitError, TooLarge
from protocol.inference import HEADER_LENGTH, Message, Wire, pack_reply, select_outputs, unpack_request
from protocol.request_ids import REQUEST_ID, known_or_new

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_REQUEST_ID = f"HTTP_{REQUEST_ID.upper().replace('-', '_')}"
_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")


class Inferring:
    """WSGI (PEP 3333): answers `POST …/infer`, hands all else to `behind`. Errors leave it as from the app."""

    def __init__(self, served: Served, behind: WSGIApplication) -> None:
        self._served = served
        self._behind = behind

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = _PATH.fullmatch(_path(environ)) if environ["REQUEST_METHOD"] == "POST" else None
        if asked is None:
            return self._behind(environ, start_response)
        request_id = known_or_new(environ.get(_REQUEST_ID))
        try:
            known, wire = self._inferred(asked[1], asked[2] or "", environ, request_id)
        except DynaSplitError as error:
            logger.debug("request %s refused: %s: %s", request_id, type(error).__name__, error)
            return _called(refusal(error), request_id)(environ, start_response)
        except Exception:  # the outermost place of a request: whatever it is, its caller is told
            logger.exception("request %s failed", request_id)
            return _called(failure(), request_id)(environ, start_response)
        headers = [*wire.headers.items(), (REQUEST_ID, request_id), ("Content-Length", str(len(wire.body)))]
        start_response("200 OK", headers)
        return _Answer(wire.body, lambda: self._learn(known))

    def _learn(self, network: str) -> None:
        """When the answer is on its way: who waits for it on this processor goes first, instead of after the lesson."""
        os.sched_yield()
        self._served.agent.learn(network)

    def _inferred(self, network: str, version: str, environ: WSGIEnvironment, request_id: str) -> tuple[str, Wire]:
        """The network's name and the answer, counted in its statistics; what keeps it from being answered is told once."""
        served = self._served
        arrived_s = served.clock() - waited_s(environ)
        descriptions.check_version(version)
        known = served.networks.get(network).name
        try:
            wire, answer = _answered(served, known, environ, arrived_s, request_id)
        except DynaSplitError as error:
            served.tally.failed(known, served.clock() - arrived_s)
            served.complaints.refused(known, error)
            raise
        queued_s, ran_s = answer.chosen_s - arrived_s, answer.done_s - answer.chosen_s
        served.tally.served(known, served.clock() - arrived_s, queued_s=queued_s, ran_s=ran_s)
        served.complaints.answered(known)
        return known, wire


def _answered(
    served: Served, network: str, environ: WSGIEnvironment, arrived_s: float, request_id: str
) -> tuple[Wire, Answer]:
    message = unpack_request(_headers(environ), _body(environ))
    asked = Asked.parse(
        message.parameters,
        arrived_s=arrived_s,
        operator=is_operator(environ.get("HTTP_AUTHORIZATION", ""), served.operator_token),
        default_account=served.account,
        gone=gone(environ),
        request_id=request_id,
    )
    answer = served.agent.infer(network, message, asked)
    wire = pack_reply(
        Message(
            tensors=select_outputs(answer.outputs, message.outputs),
            parameters=answer.parameters(),
            id=message.id,
            binary_outputs=message.binary_outputs,
            json_outputs=message.json_outputs,
            model_name=network,
            model_version=descriptions.VERSION,
        )
    )
    served.agent.parted(answer)
    logger.debug("request %s: %s answered in %.1f ms", request_id, network, (served.clock() - arrived_s) * 1e3)
    return wire, answer


def _called(response: Response, request_id: str) -> Response:
    response.headers[REQUEST_ID] = request_id
    return response


class _Answer:
    """A body in one piece; `close` comes when the server has it, as PEP 3333 has it."""

    def __init__(self, body: bytes, close: Callable[[], None]) -> None:
        self._body = body
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def __len__(self) -> int:
        return 1


def _path(environ: WSGIEnvironment) -> str:
    """WSGI has the path's bytes as if they were Latin-1."""
    path: str = environ["PATH_INFO"]
    return path if path.isascii() else path.encode("latin-1").decode(errors="replace")


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """Those that tell how to read a body."""
    return {
        name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in (HEADER_LENGTH, CONTENT_ENCODING)
    }


def _body(environ: WSGIEnvironment) -> bytes:
    """All of it; TooLarge, before it is read, where it says so."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise TooLarge(f"the body has {length:.20} bytes; the limit is {MAX_BODY_BYTES}")
    body: Any = environ["wsgi.input"].read(int(length))
    return bytes(body)
