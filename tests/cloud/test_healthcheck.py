"""What a container asks itself."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cloud.healthcheck import main


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=["http", "https"])
def place(request, certificates) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        if request.param == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates / "server.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"{request.param}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("page", "code"), [("/ready", 0), ("/other", 1)])
def test_only_a_good_answer_counts(place, monkeypatch, page, code):
    monkeypatch.setenv("DYNASPLIT_HEALTH_URL", place + page)
    assert main() == code


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "no url"])
def test_who_cannot_be_asked_is_not_well(monkeypatch, capsys, url):
    monkeypatch.setenv("DYNASPLIT_HEALTH_URL", url)
    assert main() == 1
    assert capsys.readouterr().err.count("\n") == 1
