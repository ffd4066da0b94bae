"""Drafts and desired tables over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cloud.app import create_app
from cloud.broker.publishing import MemoryPublisher, NoBroker
from cloud.store.memory import MemoryStore
from cloud.tables.publishing import publish_desired
from protocol import topics
from protocol.errors import ServiceMissing
from protocol.messages import TableReport, TableState
from protocol.presence import Availability
from protocol.signing import SignedTable, generate_private_key, public_key_of, sign

PATH = "/api/v1/devices/pi-1/tables/digits"
TOPIC = topics.desired("pi-1", "digits")

pytestmark = pytest.mark.usefixtures("bundle_of_tables")


def test_a_signed_table_is_published_and_served(backend, make_signed):
    token, signed = backend.device("pi-1"), make_signed(1)

    response = backend.call("PUT", PATH, json=signed.to_json())

    assert (response.status_code, response.get_json()) == (200, {"digest": signed.table.digest, "version": 1})
    assert SignedTable.from_json(json.loads(backend.publisher.retained[TOPIC])) == signed
    content = backend.call("GET", PATH, token=token).get_json()
    assert SignedTable.from_json(content["desired"]) == signed
    assert content["reported"] is None


def test_what_the_device_reported_stands_beside(backend):
    report = TableReport("digits", "d" * 64, 3, TableState.REJECTED, "another bundle")
    backend.store.note_report("pi-1", report, at=5.0)

    assert backend.call("GET", PATH).get_json() == {"desired": None, "reported": report.to_json()}


@pytest.mark.parametrize("whole", [False, True], ids=["device", "rollout"])
@pytest.mark.parametrize("signature", ["AAAA", "no base64", "", "another key's"])
def test_a_table_that_the_operators_key_did_not_sign_is_refused_where_that_is_known(
    make_backend, make_signed, signature, whole
):
    key = generate_private_key()
    backend, good = make_backend(operator_public_key=public_key_of(key)), sign(make_signed(1).table, key)
    backend.store.add_bundle(good.table.bundle, network="digits")
    backend.device("pi-1")
    bad = sign(good.table.with_version(2), generate_private_key())
    if signature != "another key's":
        bad = replace(bad, signature=signature)
    assert backend.call("PUT", PATH, json=good.to_json()).status_code == 200

    order = {"network": "digits", "tables": [bad.to_json()]}
    refused = (
        backend.call("POST", "/api/v1/rollouts", json=order) if whole else backend.call("PUT", PATH, json=bad.to_json())
    )

    assert refused.status_code == 400
    assert "was not signed by the operator's key" in refused.get_json()["error"]
    assert (backend.store.desired("pi-1", "digits").signed, backend.store.rollouts()) == (good, [])


@pytest.mark.parametrize("whole", [False, True], ids=["device", "rollout"])
def test_one_push_cannot_use_up_a_devices_versions(backend, make_signed, whole):
    backend.device("pi-1")
    far, near = make_signed(2**63 - 1), make_signed(2**42)

    order = {"network": "digits", "tables": [far.to_json()]}
    refused = (
        backend.call("POST", "/api/v1/rollouts", json=order) if whole else backend.call("PUT", PATH, json=far.to_json())
    )

    assert (refused.status_code, "sign it again under version 1" in refused.get_json()["error"]) == (400, True)
    assert backend.call("PUT", PATH, json=near.to_json()).status_code == 200
    assert backend.call("PUT", PATH, json=make_signed(2**42 + 1).to_json()).status_code == 200


@pytest.mark.parametrize(
    ("bundle", "network", "said"),
    [("c" * 64, "digits", "bundle cccccccccccc, which is not here: upload it"), ("b" * 64, "faces", "is of digits")],
)
@pytest.mark.parametrize("how", ["pushed", "in a rollout", "as a draft"])
def test_a_table_whose_bundle_is_not_here_is_409(backend, make_signed, how, bundle, network, said):
    backend.device("pi-1")
    signed = make_signed(1, bundle=bundle, network=network)
    method, path, body = {
        "pushed": ("PUT", f"/api/v1/devices/pi-1/tables/{network}", signed.to_json()),
        "in a rollout": ("POST", "/api/v1/rollouts", {"network": network, "tables": [signed.to_json()]}),
        "as a draft": ("POST", "/api/v1/tables", signed.table.to_json()),
    }[how]

    refused = backend.call(method, path, json=body)

    assert (refused.status_code, said in refused.get_json()["error"]) == (409, True)
    assert (backend.store.desired("pi-1", network), backend.store.rollouts(), backend.store.drafts()) == (None, [], [])


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_is_not_newer_is_409_and_not_published(backend, make_signed, version):
    backend.device("pi-1")
    backend.call("PUT", PATH, json=make_signed(2).to_json())

    response = backend.call("PUT", PATH, json=make_signed(version, head_ms=9.0).to_json())

    assert response.status_code == 409
    assert len(backend.publisher.published) == 1


def test_a_device_that_is_not_registered_any_more_gets_no_table(backend, make_signed):
    backend.device("pi-1")
    backend.call("DELETE", "/api/v1/devices/pi-1")

    response = backend.call("PUT", PATH, json=make_signed(1).to_json())

    assert (response.status_code, response.get_json()["error"]) == (404, "device 'pi-1' is not registered")
    assert (backend.store.desired("pi-1", "digits"), backend.publisher.retained) == (None, {})


def test_the_same_table_again_is_409(backend, make_signed):
    backend.device("pi-1")
    backend.call("PUT", PATH, json=make_signed(2).to_json())

    assert backend.call("PUT", PATH, json=make_signed(2).to_json()).status_code == 409


def test_a_table_that_the_broker_did_not_take_can_be_sent_again(backend, make_signed):
    backend.device("pi-1")
    backend.publisher.away = True
    assert backend.call("PUT", PATH, json=make_signed(1).to_json()).status_code == 503

    backend.publisher.away = False

    assert backend.call("PUT", PATH, json=make_signed(1).to_json()).status_code == 200
    assert TOPIC in backend.publisher.retained


def test_a_push_that_was_overtaken_leaves_the_newest_retained(backend, make_signed):
    class Slow(MemoryPublisher):
        """While this one publishes, another process pushes and publishes."""

        def publish(self, topic, payload):
            if not self.published:
                backend.store.set_desired(make_signed(2))
                self.published.append((topic, b"by another process"))
            super().publish(topic, payload)

    backend.store.set_desired(make_signed(1))
    publisher = Slow()

    publish_desired(backend.store, publisher, device="pi-1", network="digits")

    assert json.loads(publisher.retained[TOPIC])["table"]["version"] == 2


@pytest.mark.parametrize(
    "path",
    ["/api/v1/devices/pi-2/tables/digits", "/api/v1/devices/pi-1/tables/faces", "/api/v1/devices/+/tables/digits"],
)
def test_a_table_for_another_place_is_400(backend, make_signed, path):
    assert backend.call("PUT", path, json=make_signed(1).to_json()).status_code == 400


def test_a_draft_cannot_be_pushed(backend, make_signed):
    backend.device("pi-1")
    assert backend.call("PUT", PATH, json=make_signed(0).to_json()).status_code == 400
    assert backend.call("PUT", PATH, json=make_signed(1).table.to_json()).status_code == 400


def test_a_changed_table_is_400(backend, make_signed):
    content = make_signed(1).to_json()
    content["table"]["rows"][0]["head_ms"] = 1.0

    assert backend.call("PUT", PATH, json=content).status_code == 400


@pytest.mark.parametrize("device", ["a b", "#", "+"])
def test_a_name_that_would_publish_elsewhere_is_400(backend, make_signed, device):
    signed = make_signed(1, device=device)

    path = f"/api/v1/devices/{device.replace('#', '%23')}/tables/digits"
    assert backend.call("PUT", path, json=signed.to_json()).status_code == 400
    assert backend.publisher.published == []


def test_without_a_broker_publishing_is_a_missing_service():
    with pytest.raises(ServiceMissing, match="DYNASPLIT_BROKER_URL"):
        NoBroker().publish(TOPIC, b"")


def test_an_app_without_a_broker_answers_503(settings, make_signed):
    store = MemoryStore()
    store.add_device("pi-1", token_sha256="0" * 64)
    store.add_bundle(make_signed().table.bundle, network="digits")
    client = create_app(settings, store=store).test_client()
    headers = {"Authorization": f"Bearer {settings.operator_token}"}

    response = client.put(PATH, json=make_signed(1).to_json(), headers=headers)

    assert response.status_code == 503
    assert "no broker is set" in response.get_json()["error"]


def test_the_history_tells_all_versions_and_gives_each_again(backend, make_signed):
    backend.device("pi-1")
    for version, head_ms in ((1, 4.5), (2, 9.0)):
        backend.call("PUT", PATH, json=make_signed(version, head_ms=head_ms).to_json())

    newest, oldest = backend.call("GET", f"{PATH}/history").get_json()["items"]
    first = backend.call("GET", f"{PATH}/history?limit=1").get_json()
    rest = backend.call("GET", f"{PATH}/history?limit=1&cursor={first['next']}").get_json()

    assert (newest["version"], oldest["version"]) == (2, 1)
    assert newest["set_at"] >= oldest["set_at"] > 1.7e9
    assert (first["items"], rest) == ([newest], {"items": [oldest], "next": None})
    again = backend.call("GET", f"{PATH}/history/{oldest['digest']}").get_json()
    assert SignedTable.from_json(again) == make_signed(1)


def test_a_device_reads_its_own_history_alone(backend, make_signed):
    own, other = backend.device("pi-1"), backend.device("pi-2")
    backend.call("PUT", PATH, json=make_signed(1).to_json())
    digest = make_signed(1).table.digest

    assert backend.call("GET", f"{PATH}/history", token=own).status_code == 200
    assert backend.call("GET", f"{PATH}/history/{digest}", token=own).status_code == 200
    assert backend.call("GET", f"{PATH}/history", token=other).status_code == 403
    mine = f"/api/v1/devices/pi-2/tables/digits/history/{digest}"
    assert backend.call("GET", mine, token=other).status_code == 404


def test_who_uses_which_table_is_told_by_network(backend, make_signed):
    for device in ("pi-1", "pi-2"):
        backend.device(device)
        signed = make_signed(1, device=device)
        backend.call("PUT", f"/api/v1/devices/{device}/tables/digits", json=signed.to_json())
    digest = make_signed(1, device="pi-1").table.digest
    backend.store.note_report("pi-1", TableReport("digits", digest, 1, TableState.APPLIED), at=5.0)
    backend.store.note_report("pi-3", TableReport("digits", "f" * 64, 4, TableState.ROLLED_BACK, "slow"), at=6.0)

    found = backend.call("GET", "/api/v1/networks/digits/tables").get_json()

    assert [(each["device"], each["agrees"]) for each in found] == [("pi-1", True), ("pi-2", False), ("pi-3", False)]
    assert found[0]["desired"]["content_digest"] == found[1]["desired"]["content_digest"]
    assert (found[1]["reported"], found[2]["desired"]) == (None, None)
    assert found[2]["reported"]["state"] == "rolled_back"


@pytest.mark.parametrize(
    "path", ["networks/nothing/tables", "devices/pi-1/tables/nothing", "devices/pi-1/tables/nothing/history"]
)
def test_a_network_that_nobody_knows_has_no_tables(backend, path):
    backend.device("pi-1")

    response = backend.call("GET", f"/api/v1/{path}")

    assert (response.status_code, "network 'nothing' is not here" in response.get_json()["error"]) == (404, True)
    assert backend.call("GET", f"/api/v1/{path.replace('nothing', 'digits')}").status_code == 200


PLACES = ["tables/digits", "tables/digits/history", "samples", "sample-minutes"]


@pytest.mark.parametrize("place", PLACES)
def test_a_device_that_nobody_knows_has_no_tables_and_no_minutes(backend, place):
    response = backend.call("GET", f"/api/v1/devices/nosuch/{place}")

    assert (response.status_code, response.get_json()["error"]) == (404, "device 'nosuch' is not registered")


@pytest.mark.parametrize(
    "place", [f"a%20b/{place}" for place in PLACES] + ["pi-1/tables/a+b", "pi-1/tables/%2B/history"]
)
def test_what_cannot_be_a_name_is_400(backend, place):
    backend.device("pi-1")

    assert backend.call("GET", f"/api/v1/devices/{place}").status_code == 400


@pytest.mark.parametrize("network", ["a%20b", "+", "%2B"])
def test_what_cannot_be_a_network_has_no_list_of_tables(backend, network):
    assert backend.call("GET", f"/api/v1/networks/{network}/tables").status_code == 400


@pytest.mark.parametrize("place", PLACES)
def test_one_that_is_registered_or_was_to_use_a_table_or_was_heard_of_is_known(backend, make_signed, place):
    backend.device("pi-1")
    backend.store.set_desired(make_signed(device="pi-2", network="faces"))
    backend.store.note_report("pi-3", TableReport("faces", "f" * 64, 4, TableState.APPLIED), at=6.0)
    backend.store.note_availability("pi-4", Availability.ONLINE, at=1.0)
    backend.device("pi-5")
    backend.store.set_desired(make_signed(device="pi-5"))
    backend.call("DELETE", "/api/v1/devices/pi-5")

    codes = {backend.call("GET", f"/api/v1/devices/pi-{number}/{place}").status_code for number in range(1, 6)}

    assert codes == {200}
