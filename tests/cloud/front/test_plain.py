"""Heads that are read without gunicorn: only those that it reads in just that way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import config, http
from gunicorn.http import wsgi
from hypothesis import given
from hypothesis import strategies as st

from cloud.front.arrival import Arrival
from cloud.front.plain import PlainHeads

PATH = b"/v2/models/digits/infer"
CLIENT, SERVER = ("127.0.0.1", 5000), ("127.0.0.1", 8000)
OURS = ("wsgi.input", "wsgi.errors", "wsgi.early_hints")

plain_lines = st.sampled_from(
    [
        "Accept: */*",
        "content-type: a/b",
        "Authorization: Bearer x",
        "X-REQUEST-ID:7",
        "Connection: Keep-Alive",
        "User-Agent: a b",
    ]
).map(lambda line: (line, "\r\n"))
names = st.sampled_from(
    [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "Connection",
        "X-Request-Id",
        "X_Request_Id",
        "X-Forwarded-Proto",
        "Te",
    ]
)
values = st.one_of(
    st.sampled_from(
        ["5", "05", "+5", "5, 5", "4", "chunked", "close", "Keep-Alive", "100-continue", "Bearer x", "a\tb", ""]
    ),
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=8),
)
odd_lines = st.tuples(
    names, st.sampled_from([": ", ":", " : ", ":  ", ":\t", ""]), values, st.sampled_from(["\r\n", "\n", "\r\n "])
)
targets = st.sampled_from(
    [
        "/v2/models/digits/infer",
        "/v2/models/digits/versions/1/infer",
        "/v2/models/a%2fb/infer",
        "/v2/models/x/infer?a=1",
        "*",
    ]
)


def settings(**said: Any) -> config.Config:
    made = config.Config()
    for name, value in said.items():
        made.set(name, value)
    return made


def read_here(head: bytes, body: bytes = b"12345", *, cfg: Any = None) -> dict[str, Any] | None:
    arrival = Arrival(most_body_bytes=1000)
    arrival.add(head + body)
    connection: Any = SimpleNamespace(
        arrival=arrival, client=CLIENT, server=SERVER, sock=None, environ={}, arrived_s=0.0
    )
    return PlainHeads(cfg or settings()).environ_of(connection)


def read_by_gunicorn(content: bytes) -> tuple[dict[str, Any], bool]:
    cfg = settings()
    request = next(http.get_parser(cfg, [content], CLIENT))
    _, environ = wsgi.create(request, None, CLIENT, SERVER, cfg)
    return {**environ, "wsgi.multithread": True}, request.should_close()


def head_of(*more: str, target: str = "/v2/models/digits/infer") -> bytes:
    return "\r\n".join([f"POST {target} HTTP/1.1", "Host: x", "Content-Length: 5", *more, "", ""]).encode("latin-1")


def test_a_plain_head_is_what_gunicorn_makes_of_it():
    head = head_of(
        "Authorization: Bearer  x y", "content-type:application/json", "Connection: Keep-Alive", "X-Request-Id: 7"
    )

    environ = read_here(head)

    expected, closes = read_by_gunicorn(head + b"12345")
    assert environ is not None
    assert environ.pop("wsgi.input").read() == expected["wsgi.input"].read() == b"12345"
    assert not closes
    assert without(environ, *OURS) == without(expected, *OURS)


@given(targets, st.lists(plain_lines | odd_lines, max_size=4), st.booleans())
def test_whatever_is_read_here_gunicorn_reads_in_the_same_way(target, drawn, framed):
    head = f"POST {target} HTTP/1.1\r\n" + ("Host: x\r\nContent-Length: 5\r\n" if framed else "")
    content = (head + "".join("".join(line) for line in drawn) + "\r\n").encode("latin-1")

    environ = read_here(content)

    if environ is not None:
        expected, closes = read_by_gunicorn(content + b"12345")
        assert not closes
        assert expected["wsgi.input"].read() == environ["wsgi.input"].read()
        assert without(environ, *OURS) == without(expected, *OURS)


@pytest.mark.parametrize(
    "head",
    [
        head_of("Connection: close"),
        head_of("Transfer-Encoding: chunked"),
        head_of("Expect: 100-continue"),
        head_of("Content-Length: 5"),
        head_of("Host: y"),
        head_of("X_Request_Id: 1"),
        head_of("X-Forwarded-Proto: https"),
        head_of("Accept: a\tb"),
        head_of(" folded: 1"),
        head_of("Accept : a"),
        head_of(f"Accept: {'a' * 2048}"),
        head_of(target="/v2/models/a%2e/infer"),
        head_of(target="/v2/models/a/infer?x"),
        head_of(target="/api/v1/devices"),
        head_of().replace(b" HTTP/1.1", b" HTTP/1.0"),
        head_of().replace(b"POST", b"GET"),
        head_of().replace(b"Host: x\r\n", b""),
        head_of().replace(b": 5", b": 05"),
        b"\r\n" + head_of(),
    ],
)
def test_what_is_odd_is_left_to_gunicorn(head):
    assert read_here(head) is None


@pytest.mark.parametrize(
    "said",
    [
        {"accesslog": "-"},
        {"statsd_host": "localhost:8125"},
        {"proxy_protocol": "v1"},
        {"pre_request": lambda _worker, _request: None},
        {"post_request": lambda _worker, _request: None},
        {"limit_request_fields": 3},
        {"limit_request_line": 100},
        {"limit_request_field_size": 100},
        {"forwarder_headers": "X-REQUEST-ID"},
    ],
    ids=lambda said: next(iter(said)),
)
def test_settings_that_look_at_each_request_leave_all_of_them_to_gunicorn(said):
    assert read_here(head_of()) is not None
    assert read_here(head_of(), cfg=settings(**said)) is None


def without(environ: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in environ.items() if key not in keys}
