"""Where the local API listens: a path belongs to one agent at a time, and to its owner and group."""

from __future__ import annotations

import contextlib
import socket
import stat
import threading
from collections.abc import Iterator

import pytest
from flask import Flask, jsonify

from edge.api.listening import address_of, listening_on_path, listening_on_port
from edge.api.web_server import make_server
from protocol.errors import InvalidInput, ServiceMissing
from tools.web import Web


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.sock"


def test_a_socket_is_for_owner_and_group_and_goes_with_its_agent(path):
    with listening_on_path(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


def test_the_socket_of_a_killed_agent_is_replaced(path):
    killed = socket.socket(socket.AF_UNIX)
    killed.bind(str(path))
    killed.close()
    with listening_on_path(path), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))


def test_a_socket_in_use_is_refused_and_stays(path):
    with listening_on_path(path):
        with pytest.raises(InvalidInput, match="is in use"), listening_on_path(path):
            pass
        assert path.is_socket()


def test_what_is_no_socket_is_never_removed(path):
    path.write_text("precious")
    with pytest.raises(InvalidInput, match="something else lies there"), listening_on_path(path):
        pass
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["no/such/folder/agent.sock", "x" * 200])
def test_a_path_that_cannot_be_is_refused_by_name(tmp_path, name):
    with pytest.raises(InvalidInput, match="cannot be opened"), listening_on_path(tmp_path / name):
        pass


def test_a_port_in_use_is_refused():
    with listening_on_port("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"port {port} on 127"), listening_on_port("127.0.0.1", port):
            pass


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def test_it_listens_on_an_address_of_ipv6_where_there_is_one():
    if not has_ipv6():
        with pytest.raises(InvalidInput, match="on ::1 cannot be opened"), listening_on_port("::1", 0):
            pass
        return
    app = Flask("agent")
    app.get("/v2")(lambda: jsonify({"name": "here"}))
    with listening_on_port("::1", 0) as listening, served(app, listening):
        assert address_of(listening).startswith("http://[::1]:")
        assert Web(address_of(listening), name="agent").get("/v2") == {"name": "here"}


@pytest.mark.parametrize("host", ["999.1.1.1", "a..b", "x" * 300, "::zz"])
def test_what_is_no_host_is_said_in_one_line(host):
    with pytest.raises(InvalidInput, match=r"host|port 0 on"), listening_on_port(host, 0):
        pass


def test_where_it_listens_is_told(path):
    with listening_on_path(path) as unix, listening_on_port("127.0.0.1", 0) as port:
        assert address_of(unix) == f"unix:{path}"
        assert address_of(port) == f"http://127.0.0.1:{port.getsockname()[1]}"


@contextlib.contextmanager
def served(app: Flask, listening: socket.socket) -> Iterator[None]:
    server = make_server(app, listening, threads=1)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield
    with contextlib.suppress(OSError):  # its loop may be awake already and close the trigger first
        server.trigger.pull_trigger(server.close)
    thread.join(20)
    server.task_dispatcher.shutdown()


def test_the_tools_call_an_agent_by_its_socket(path):
    app = Flask("agent")
    app.get("/v2")(lambda: jsonify({"name": "here"}))
    with listening_on_path(path) as listening, served(app, listening):
        web = Web(f"unix:{path}", name="agent")
        assert [web.get("/v2") for _ in range(3)] == [{"name": "here"}] * 3
        web.call("GET", "/v2", headers={"Connection": "close"})


def test_an_agent_that_is_not_there_is_missing(path):
    with pytest.raises(ServiceMissing, match=r"agent unix:.*agent\.sock does not answer: .*No such file"):
        Web(f"unix:{path}", name="agent").get("/v2")
