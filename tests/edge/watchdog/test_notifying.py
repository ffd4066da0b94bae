"""Words to the service manager, received on real datagram sockets."""

from __future__ import annotations

import os
import socket
import uuid

import pytest

from edge.watchdog.notifying import Notifier, watchdog_period_s


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket as systemd opens it, and what NOTIFY_SOCKET then says."""
    if request.param == "path":
        address = told = str(tmp_path / "notify")
    else:
        name = f"dynasplit-{uuid.uuid4()}"
        address, told = f"\0{name}", f"@{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(20)
        yield listening, told


def test_words_arrive_together(manager):
    listening, told = manager
    Notifier.of({"NOTIFY_SOCKET": told})("READY=1", "STATUS=serves\nas pi-1")
    assert listening.recv(4096) == b"READY=1\nSTATUS=serves as pi-1"


@pytest.mark.parametrize("address", ["", "@nobody-listens-here", "/nowhere/notify", "x" * 200])
def test_nobody_has_to_listen(address):
    Notifier(address)("WATCHDOG=1")


@pytest.mark.parametrize(
    ("environment", "period_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(environment, period_s):
    assert watchdog_period_s(environment) == period_s
