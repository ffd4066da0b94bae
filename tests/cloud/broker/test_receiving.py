"""What the broker sends to whom: asked of Mosquitto itself, with the session of another user taken over."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.broker import renewal
from cloud.broker.control import Control
from cloud.broker.dynamic_security import RECEIVE, DynamicSecurity
from protocol import topics
from protocol.mqtt.address import BrokerAddress

pytestmark = pytest.mark.mosquitto

PATIENCE_S = 30.0
GUESSED = "site-dashboard"


class Listening:
    """A client with a session that stays, and what it receives. Resumes it where it is."""

    def __init__(self, port: int, user: str, *, client_id: str) -> None:
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._done: queue.Queue[None] = queue.Queue()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, reconnect_on_failure=False
        )
        self._client.username_pw_set(user, f"{user}-secret")
        self._client.on_message = lambda _client, _data, message: self.received.put((message.topic, message.payload))
        self._client.on_subscribe = lambda *_more: self._done.put(None)
        self.lost = threading.Event()
        self._client.on_disconnect = lambda *_more: self.lost.set()
        connected = threading.Event()
        self._client.on_connect = lambda *_more: connected.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert connected.wait(PATIENCE_S)

    def subscribe(self, pattern: str) -> None:
        self._client.subscribe(pattern, qos=1)
        self._done.get(timeout=PATIENCE_S)

    def say(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def heard_up_to(self, last: bytes) -> list[tuple[str, bytes]]:
        """What came, in its order, until and with the payload that is the last to be said."""
        heard = [self.received.get(timeout=PATIENCE_S)]
        while heard[-1][1] != last:
            heard.append(self.received.get(timeout=PATIENCE_S))
        return heard

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


Listen = Callable[..., Listening]


@pytest.fixture
def listen(shipped_broker) -> Iterator[Listen]:
    accounts = DynamicSecurity(BrokerAddress.parse(shipped_broker.url("backend")))
    for device in ("pi-1", "pi-2"):
        accounts.add(device, f"device-{device}-secret")
    made: list[Listening] = []

    def listening(user: str, *, client_id: str) -> Listening:
        made.append(Listening(shipped_broker.port, user, client_id=client_id))
        return made[-1]

    yield listening
    for each in made:
        each.close()


def said_to_all(listen: Listen) -> None:
    """What devices and the cloud say; the last word goes to pi-1."""
    speakers = [listen("device-pi-2", client_id="pi-2"), listen("ingest", client_id="ingest")]
    speakers[0].say(topics.telemetry("pi-2"), b"of pi-2")
    speakers[1].say(topics.ack("pi-2"), b"to pi-2")
    speakers[1].say(topics.desired("pi-2", "digits"), b"a table of pi-2")
    speakers[1].say(topics.ack("pi-1"), b"last")


def test_who_takes_over_anothers_session_gets_what_is_his_own(listen):
    site = listen("watcher", client_id=GUESSED)
    site.subscribe("dynasplit/#")
    thief = listen("device-pi-1", client_id=GUESSED)
    assert site.lost.wait(PATIENCE_S)

    said_to_all(listen)

    assert thief.heard_up_to(b"last") == [(topics.ack("pi-1"), b"last")]


def test_what_waited_for_another_is_not_given_out_either(listen):
    site = listen("watcher", client_id=GUESSED)
    site.subscribe("dynasplit/#")
    site.close()
    said_to_all(listen)

    thief = listen("device-pi-1", client_id=GUESSED)
    listen("ingest", client_id="later").say(topics.ack("pi-1"), b"the very last")

    assert {topic for topic, _ in thief.heard_up_to(b"the very last")} == {topics.ack("pi-1")}


def as_older_versions_left_it(control: Control) -> None:
    """Everybody receives by default, and no role says so."""
    (listed,) = control.tell([{"command": "listRoles", "verbose": True}], forgiven={})
    removed = [
        {"command": "removeRoleACL", "rolename": role["rolename"], "acltype": RECEIVE, "topic": acl["topic"]}
        for role in listed["data"]["roles"]
        for acl in role["acls"]
        if acl["acltype"] == RECEIVE and role["rolename"] != "accounts"
    ]
    allowed = {"command": "setDefaultACLAccess", "acls": [{"acltype": RECEIVE, "allow": True}]}
    control.tell([allowed, *removed], forgiven={})


def test_accounts_of_an_older_version_are_renewed_and_all_goes_on(shipped_broker, listen, monkeypatch, capsys):
    control = Control(BrokerAddress.parse(shipped_broker.url("backend")), patience_s=PATIENCE_S)
    as_older_versions_left_it(control)
    site = listen("watcher", client_id=GUESSED)
    site.subscribe("dynasplit/#")
    said_to_all(listen)
    assert len(site.heard_up_to(b"last")) == 4
    monkeypatch.setenv("DYNASPLIT_BROKER_URL", shipped_broker.url("backend"))

    assert [renewal.main([]), renewal.main([])] == [0, 0]

    assert "\n0 rights added" in capsys.readouterr().out
    again = listen("watcher", client_id="another")
    again.subscribe("dynasplit/#")
    said_to_all(listen)
    assert len(again.heard_up_to(b"last")) == 4
    thief = listen("device-pi-1", client_id="another")
    said_to_all(listen)
    assert thief.heard_up_to(b"last") == [(topics.ack("pi-1"), b"last")]
    stored = json.loads((shipped_broker.folder / "dynamic-security.json").read_text())
    assert stored["defaultACLAccess"][RECEIVE] is False


def test_the_backend_gets_the_rights_that_an_older_version_did_not_need(shipped_broker, monkeypatch):
    control = Control(BrokerAddress.parse(shipped_broker.url("backend")), patience_s=PATIENCE_S)
    before = acls_of(control, "backend")
    older = [
        {"acltype": kind, "topic": topic, "allow": allow} for kind, topic, allow in before if "table/desired" in topic
    ]
    control.tell([{"command": "modifyRole", "rolename": "backend", "acls": older}], forgiven={})
    assert len(acls_of(control, "backend")) == 1
    monkeypatch.setenv("DYNASPLIT_BROKER_URL", shipped_broker.url("backend"))

    assert renewal.main([]) == 0

    assert acls_of(control, "backend") == before


def acls_of(control: Control, role: str) -> set[tuple[str, str, bool]]:
    (listed,) = control.tell([{"command": "listRoles", "verbose": True}], forgiven={})
    (acls,) = [each["acls"] for each in listed["data"]["roles"] if each["rolename"] == role]
    return {(acl["acltype"], acl["topic"], acl["allow"]) for acl in acls}


def test_without_an_address_one_line_says_so(monkeypatch, capsys):
    monkeypatch.delenv("DYNASPLIT_BROKER_URL", raising=False)

    assert renewal.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1
