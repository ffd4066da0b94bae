"""SIGHUP under load: gunicorn starts new worker processes, and the old ones finish what they have."""

from __future__ import annotations

import http.client
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from protocol.inference import pack_request

pytestmark = pytest.mark.system

CALLERS = 2
RELOADS = 1
RELOADED_S = 120.0
"""Callers leave the starting workers little of a small machine."""
Ask = Callable[[http.client.HTTPConnection], int]


def workers_of(server) -> set[str]:
    command = ["pgrep", "-P", str(server.process.pid)]
    return set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())


def calling(server, ask: Ask, ended: threading.Event, *, anew: bool) -> Counter[int]:
    """The statuses of requests one after the other, on a connection each or on one for all as long as it stays open."""
    statuses: Counter[int] = Counter()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    while not ended.is_set():
        statuses[ask(connection)] += 1
        if anew:
            connection.close()
    connection.close()
    return statuses


def reload(server) -> None:
    before = workers_of(server)
    server.process.send_signal(signal.SIGHUP)
    tick = threading.Event()
    for _ in range(int(RELOADED_S / 0.1)):
        now = workers_of(server)
        if len(now) == 2 and not now & before:
            return
        tick.wait(0.1)
    raise AssertionError(f"workers {now & before} are still there")


@pytest.mark.parametrize("anew", [True, False], ids=["a connection each", "connections that stay"])
def test_no_request_is_lost_while_the_workers_are_replaced(start_server, eventually, digits, whole_request, anew):
    server = start_server(workers=2)
    eventually(server.answers, "the backend is ready")
    server.upload(digits)
    wire = pack_request(whole_request)
    ended = threading.Event()

    def ask(connection: http.client.HTTPConnection) -> int:
        headers = {"Authorization": "Bearer secret-of-the-operator", **wire.headers}
        connection.request("POST", "/v2/models/digits/infer", body=wire.body, headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(calling, server, ask, ended, anew=anew) for _ in range(CALLERS)]
        try:
            for _ in range(RELOADS):
                reload(server)
        finally:
            ended.set()
        statuses = sum((caller.result(60) for caller in callers), Counter[int]())

    assert set(statuses) == {200}
    assert statuses.total() > CALLERS
    assert "Traceback" not in server.log.read_text()
